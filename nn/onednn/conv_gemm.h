// The constructors of the convolutions by matrix products, with AVX-512: d->avx512 must be set. Shapes as said at each;
// the window's flags are honoured.

#ifndef RINGLOOM_ONEDNN_CONV_GEMM_H
#define RINGLOOM_ONEDNN_CONV_GEMM_H

#include "kernel.h"

// 1x1 windows, stride 1, no padding.
int rl_pointwise_forward(const rl_device *d, rl_window c, rl_kernel **out);
int rl_pointwise_backward_data(const rl_device *d, rl_window c, rl_kernel **out);
int rl_pointwise_backward_weights(const rl_device *d, rl_window c, rl_kernel **out);

// Square windows of side r, stride 1, by Winograd's F(m x m, r x r): r = 3 with m = 2, 3, 4 or 6, r = 5 with m = 2, 3
// or 4. For other sizes they return RL_NO_TRANSFORM.
enum { RL_NO_TRANSFORM = 110 };
int rl_winograd_forward(const rl_device *d, rl_window c, int m, rl_kernel **out);
int rl_winograd_backward_data(const rl_device *d, rl_window c, int m, rl_kernel **out);
int rl_winograd_backward_weights(const rl_device *d, rl_window c, int m, rl_kernel **out);

#endif
