//go:build onednn && cgo

// Processors without AVX-512's intrinsics never ask for these convolutions; the names must exist all the same.

#include "conv_gemm.h"

#if !defined(__x86_64__)

int rl_pointwise_forward(const rl_device *d, rl_window c, rl_kernel **out) { return RL_NO_TRANSFORM; }
int rl_pointwise_backward_data(const rl_device *d, rl_window c, rl_kernel **out) { return RL_NO_TRANSFORM; }
int rl_pointwise_backward_weights(const rl_device *d, rl_window c, rl_kernel **out) { return RL_NO_TRANSFORM; }
int rl_winograd_forward(const rl_device *d, rl_window c, int m, rl_kernel **out) { return RL_NO_TRANSFORM; }
int rl_winograd_backward_data(const rl_device *d, rl_window c, int m, rl_kernel **out) { return RL_NO_TRANSFORM; }
int rl_winograd_backward_weights(const rl_device *d, rl_window c, int m, rl_kernel **out) { return RL_NO_TRANSFORM; }

#endif
