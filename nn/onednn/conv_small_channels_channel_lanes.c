//go:build onednn && cgo

// Tiles with a channel of the result to the lane: up to 28 pixels with one vector of channels, up to 14 with two. Per
// tap one load of weights a vector, and each pixel's element broadcast. With one vector that would be a load for each
// multiply-add, more than the load ports have time for: there the weights of three neighbouring taps stay in registers,
// and an element broadcast once serves all windows that it is in. The result's layout is that of the registers.

#include "conv_small_channels.h"

#if defined(__x86_64__)

RL_AVX512 RL_INLINE void tile(const sc_tile *t, const int pixels, const int vectors, const int run)
{
    __m512 sum[SC_SUMS];
    const float *w = t->w, *x = t->x;
#pragma GCC unroll 28
    for (int p = 0; p < pixels; p++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) sum[p * vectors + v] = _mm512_loadu_ps(t->bias + v * SC_VECTOR);
    for (const int32_t *at = t->at, *end = at + t->taps; at < end; at += run, w += run * vectors * SC_VECTOR) {
        const float *from = x + *at;
        if (run == 3) {
            __m512 k[3] = { _mm512_load_ps(w), _mm512_load_ps(w + SC_VECTOR), _mm512_load_ps(w + 2 * SC_VECTOR) };
            RL_KEEP(k[0]);
            RL_KEEP(k[1]);
            RL_KEEP(k[2]);
#pragma GCC unroll 30
            for (int p = 0; p < pixels + 2; p++) {
                __m512 e = _mm512_set1_ps(from[p]);
                RL_KEEP(e);
#pragma GCC unroll 3
                for (int j = 0; j < 3; j++)
                    if (p - j >= 0 && p - j < pixels) sum[p - j] = _mm512_fmadd_ps(k[j], e, sum[p - j]);
            }
            continue;
        }
        __m512 a = _mm512_load_ps(w);
        RL_KEEP(a);
        if (vectors == 1) {
#pragma GCC unroll 28
            for (int p = 0; p < pixels; p++) sum[p] = _mm512_fmadd_ps(a, _mm512_set1_ps(from[p]), sum[p]);
            continue;
        }
        __m512 b = _mm512_load_ps(w + SC_VECTOR);
        RL_KEEP(b);
#pragma GCC unroll 14
        for (int p = 0; p < pixels; p++) {
            __m512 e = _mm512_set1_ps(from[p]);
            RL_KEEP(e);
            sum[2 * p] = _mm512_fmadd_ps(a, e, sum[2 * p]);
            sum[2 * p + 1] = _mm512_fmadd_ps(b, e, sum[2 * p + 1]);
        }
    }
#pragma GCC unroll 28
    for (int p = 0; p < pixels; p++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            sc_store(t, (int64_t)p * t->pitch + v * SC_VECTOR, sum[p * vectors + v],
                      sc_lanes(t->channels - v * SC_VECTOR));
}

#define EACH(F)                                                                                                        \
    F(1, 1, 1) F(2, 1, 1) F(3, 1, 1) F(4, 1, 1) F(5, 1, 1) F(6, 1, 1) F(7, 1, 1) F(8, 1, 1) F(9, 1, 1) F(10, 1, 1)     \
    F(11, 1, 1) F(12, 1, 1) F(13, 1, 1) F(14, 1, 1) F(15, 1, 1) F(16, 1, 1) F(17, 1, 1) F(18, 1, 1) F(19, 1, 1)        \
    F(20, 1, 1) F(21, 1, 1) F(22, 1, 1) F(23, 1, 1) F(24, 1, 1) F(25, 1, 1) F(26, 1, 1) F(27, 1, 1) F(28, 1, 1)        \
    F(1, 2, 1) F(2, 2, 1) F(3, 2, 1) F(4, 2, 1) F(5, 2, 1) F(6, 2, 1) F(7, 2, 1) F(8, 2, 1) F(9, 2, 1) F(10, 2, 1)     \
    F(11, 2, 1) F(12, 2, 1) F(13, 2, 1) F(14, 2, 1) F(1, 1, 3) F(2, 1, 3) F(3, 1, 3) F(4, 1, 3) F(5, 1, 3)             \
    F(6, 1, 3) F(7, 1, 3) F(8, 1, 3) F(9, 1, 3) F(10, 1, 3) F(11, 1, 3) F(12, 1, 3) F(13, 1, 3) F(14, 1, 3)            \
    F(15, 1, 3) F(16, 1, 3) F(17, 1, 3) F(18, 1, 3) F(19, 1, 3) F(20, 1, 3) F(21, 1, 3) F(22, 1, 3) F(23, 1, 3)        \
    F(24, 1, 3) F(25, 1, 3) F(26, 1, 3)
#define DEFINE(pixels, vectors, run) \
    RL_AVX512 static void tile_##pixels##_##vectors##_##run(const sc_tile *t) { tile(t, pixels, vectors, run); }
#define ENTRY(pixels, vectors, run) [run / 3][vectors - 1][pixels - 1] = tile_##pixels##_##vectors##_##run,

EACH(DEFINE)

sc_kernel sc_channel_lanes(int pixels, int vectors, int run)
{
    static const sc_kernel kernels[2][2][SC_SUMS] = { EACH(ENTRY) };
    return kernels[run / 3][vectors - 1][pixels - 1];
}

#endif
