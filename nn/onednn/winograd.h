// Winograd's minimal filtering, F(m x m, r x r): what its kernels share. See winograd_tiles.c for the arithmetic.

#ifndef RINGLOOM_ONEDNN_WINOGRAD_H
#define RINGLOOM_ONEDNN_WINOGRAD_H

#include "conv_gemm.h"
#include "gemm.h"

#if defined(__x86_64__)

// 16 channels of one tile of an image of activations. Rows [top, bottom) and columns [left, right) of the tile lie
// inside the image, the rest is zero (where read) or left alone (where written); lanes are the channels that exist.
typedef struct rl_tile {
    int64_t row, pixel; // distances in elements
    int top, bottom, left, right;
    __mmask16 lanes;
} rl_tile;

// How 16 results of a tile's pixel reach the image; as the flags of rl_window. bias and mask may be NULL.
typedef struct rl_epilogue {
    const float *bias, *mask;
    int relu, accumulate;
} rl_epilogue;

// The transforms of one F(m x m, r x r), each over 16 channels. alpha = m + r - 1 points an axis; point p's result is
// at
// [p * stride], p = alpha * row + column.
typedef struct rl_winograd {
    int m, r;
    // B^T x B of a tile of alpha x alpha pixels.
    void (*input)(const rl_tile *t, const float *x, float *v, int64_t stride);
    // A^T m A: m x m pixels.
    void (*output)(const rl_tile *t, const rl_epilogue *e, const float *m, int64_t stride, float *y);
    // A dy A^T of a tile of m x m pixels, whose sum is added to sum [16].
    void (*gradient)(const rl_tile *t, const float *dy, float *m, int64_t stride, float *sum);
    // G w G^T; tap (i, j) of lane l is w[l * lane + tap], tap = r*i + j, or r*r-1 - (r*i + j) where flipped.
    void (*weights)(const float *w, int64_t lane, __mmask16 lanes, int flipped, float *u, int64_t stride);
    // G^T u G, lane l's taps at w[l * r*r].
    void (*weights_gradient)(const float *u, int64_t stride, __mmask16 lanes, float *w);
} rl_winograd;

// NULL where F(m x m, r x r) is none of those compiled.
const rl_winograd *rl_winograd_find(int m, int r);

// What a kernel may use of the arena, in bytes: blocks that fit a core's second-level cache, and blocks that share the
// third.
enum { RL_OWN_BLOCK = 700 << 10, RL_SHARED_BLOCK = 24 << 20 };

#endif

#endif
