// What the two kernels of the grey-image convolution share; see grey_forward.c.

#ifndef RINGLOOM_ONEDNN_GREY_H
#define RINGLOOM_ONEDNN_GREY_H

#include "transpose.h"

#include <string.h>
#if defined(__x86_64__)

// Channels that these kernels are compiled for.
enum { GREY_CHANNELS = 6, GREY_KERNEL_W = 5 };

typedef struct grey {
    rl_own own;
    rl_window c;
    int padded_h, padded_w; // one thread's zero-padded image; the width has slack for loads past the end
    float *padded;          // [threads, padded_h, padded_w]
    float *planes;          // [threads, channels, oh, ow rounded up]: backward only
    float *sums;            // [threads, kh*kw+1, channels, 16], the bias's last: backward only
    rl_transpose *transpose;
} grey;

static inline int grey_round_up(int n, int unit) { return (n + unit - 1) / unit * unit; }

// Copies image n into the thread's padded image and returns it. The border is zero from the start and stays so.
static inline const float *grey_pad(const grey *g, const float *x, int64_t n, int thread)
{
    float *padded = g->padded + (int64_t)thread * g->padded_h * g->padded_w;
    const float *image = x + n * g->c.ih * g->c.iw;
    for (int y = 0; y < g->c.ih; y++)
        memcpy(padded + (y + g->c.ph) * g->padded_w + g->c.pw, image + y * g->c.iw, sizeof(float) * (size_t)g->c.iw);
    return padded;
}

// planes: what the kernel's transposition makes, as rl_transpose_init has it.
static inline void grey_init(grey *g, const rl_device *d, rl_window c, int planes)
{
    g->c = c;
    g->padded_h = c.ih + 2 * c.ph;
    g->padded_w = grey_round_up(grey_round_up(c.ow, 32) + c.kw + c.iw + 2 * c.pw - c.ow, 16);
    g->padded = rl_own_block(g, (int64_t)sizeof(float) * d->threads * g->padded_h * g->padded_w);
    g->transpose = rl_own_block(g, sizeof *g->transpose); // aligned, which calloc's memory is not
    if (g->transpose) rl_transpose_init(g->transpose, GREY_CHANNELS, planes);
}

#endif
#endif
