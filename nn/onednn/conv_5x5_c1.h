// What the two kernels of the convolution of one channel share; see conv_5x5_c1_forward.c.

#ifndef RINGLOOM_ONEDNN_CONV_5X5_C1_H
#define RINGLOOM_ONEDNN_CONV_5X5_C1_H

#include "transpose.h"

#include <string.h>
#if defined(__x86_64__)

// Channels that these kernels are compiled for.
enum { C1_CHANNELS = 6, C1_KERNEL_W = 5 };

typedef struct c1_conv {
    rl_kernel_base base;
    rl_window c;
    int padded_h, padded_w; // one thread's zero-padded image; the width has slack for loads past the end
    float *padded;          // [threads, padded_h, padded_w]
    float *planes;          // [threads, channels, oh, ow rounded up]: backward only
    float *sums;            // [threads, kh*kw+1, channels, 16], the bias's last: backward only
    rl_transpose *transpose;
} c1_conv;

static inline int c1_round_up(int n, int unit) { return (n + unit - 1) / unit * unit; }

// Copies image n into the thread's padded image and returns it. The border is zero from the start and stays so.
static inline const float *c1_pad(const c1_conv *g, const float *x, int64_t n, int thread)
{
    float *padded = g->padded + (int64_t)thread * g->padded_h * g->padded_w;
    const float *image = x + n * g->c.ih * g->c.iw;
    for (int y = 0; y < g->c.ih; y++)
        memcpy(padded + (y + g->c.ph) * g->padded_w + g->c.pw, image + y * g->c.iw, sizeof(float) * (size_t)g->c.iw);
    return padded;
}

// planes: what the kernel's transposition makes, as rl_transpose_init has it.
static inline void c1_init(c1_conv *g, const rl_device *d, rl_window c, int planes)
{
    g->c = c;
    g->padded_h = c.ih + 2 * c.ph;
    g->padded_w = c1_round_up(c1_round_up(c.ow, 32) + c.kw + c.iw + 2 * c.pw - c.ow, 16);
    g->padded = rl_kernel_block(g, (int64_t)sizeof(float) * d->threads * g->padded_h * g->padded_w);
    g->transpose = rl_kernel_block(g, sizeof *g->transpose); // aligned, which calloc's memory is not
    if (g->transpose) rl_transpose_init(g->transpose, C1_CHANNELS, planes);
}

#endif
#endif
