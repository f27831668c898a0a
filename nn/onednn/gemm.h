// Matrix products with an epilogue, on the caller's thread; the base of the convolutions of conv_gemm.h.

#ifndef RINGLOOM_ONEDNN_GEMM_H
#define RINGLOOM_ONEDNN_GEMM_H

#include "kernel_base.h"

#if defined(__x86_64__)
#include <immintrin.h>

// Columns of a panel of B, two vectors, and rows of C that are worked on together: 28 accumulators.
enum { RL_PANEL = 32, RL_TILE_ROWS = 14 };

// C [m, n] = A [m, k] B [k, n], each with an epilogue:
//   C = (accumulate ? C : 0) + A B + (bias ? bias : 0); then, with relu, max(0, C); then, with mask, 0 where mask <= 0.
// A(i, k) is a[i*lda + k], or a[k*lda + i] where a_by_columns. B is packed in panels of 32 columns, [ceil(n/32), k, 32]
// with panel elements from one to the next, aligned to 64 bytes; columns behind n are loaded but never used. mask has
// the shape and the stride of C.
typedef struct rl_gemm {
    int m, n, k;
    int a_by_columns, accumulate, relu;
    const float *a, *b, *bias, *mask;
    float *c;
    int64_t lda, panel, ldc;
} rl_gemm;

void rl_gemm_run(const rl_gemm *g);

// Rounds a stride up to an odd number of cache lines: multiples of large powers of two fall on few places of a cache.
static inline int64_t rl_odd_lines(int64_t stride) { return ((stride + 15) / 16 | 1) * 16; }

// The lanes of a vector that exist where so many channels are left.
static inline __mmask16 rl_lanes(int channels)
{
    return channels >= 16 ? 0xffff : channels > 0 ? (__mmask16)((1u << channels) - 1) : 0;
}

#endif
#endif
