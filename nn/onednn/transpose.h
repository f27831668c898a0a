// Turning 16 pixels of c interleaved channels (c vectors) into c planes of 16 pixels, and back, in registers. Each
// output vector picks lanes from pairs of input vectors; the tables say which. c is even and at most MAX_CHANNELS.

#ifndef RINGLOOM_ONEDNN_TRANSPOSE_H
#define RINGLOOM_ONEDNN_TRANSPOSE_H

#include "kernel_base.h"

#if defined(__x86_64__)
#include <immintrin.h>

enum { RL_MAX_CHANNELS = 6, RL_PAIRS = RL_MAX_CHANNELS / 2 };

typedef struct rl_transpose {
    int32_t index[RL_MAX_CHANNELS][RL_PAIRS][16]; // lane 0-31 of the pair, for each output vector
    uint16_t mask[RL_MAX_CHANNELS][RL_PAIRS];     // output lanes that come from this pair
} rl_transpose __attribute__((aligned(64)));

// Lane i of output vector v is element (i, v) of a [16, c] matrix stored by rows (planes = 1: interleaved to planes),
// or the other way round (planes = 0).
static inline void rl_transpose_init(rl_transpose *t, int c, int planes)
{
    for (int v = 0; v < c; v++) {
        for (int i = 0; i < 16; i++) {
            int flat = v * 16 + i;
            int from = planes ? i * c + v : flat % c * 16 + flat / c;
            int vector = from / 16, lane = from % 16;
            t->index[v][vector / 2][i] = vector % 2 * 16 + lane;
            t->mask[v][vector / 2] |= (uint16_t)(1u << i);
        }
    }
}

RL_AVX512 RL_INLINE __m512 rl_transpose_vector(const rl_transpose *t, const __m512 *in, const int c, int v)
{
    __m512 out = _mm512_permutex2var_ps(in[0], _mm512_load_si512(t->index[v][0]), in[1]);
#pragma GCC unroll 4
    for (int q = 1; q < c / 2; q++) {
        __m512 other = _mm512_permutex2var_ps(in[2 * q], _mm512_load_si512(t->index[v][q]), in[2 * q + 1]);
        out = _mm512_mask_mov_ps(out, t->mask[v][q], other);
    }
    return out;
}

// The mask of the lanes of vector v (of 16) that lie below n elements.
RL_INLINE uint16_t rl_lanes_below(int n, int v)
{
    n -= v * 16;
    return n >= 16 ? 0xffff : n <= 0 ? 0 : (uint16_t)((1u << n) - 1);
}

#endif
#endif
