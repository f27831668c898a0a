//go:build onednn && cgo

// Tiles with a pixel to the lane, for results of up to 8 channels: 16 to 112 pixels of a row. Per tap one load of
// pixels a vector, which all channels share, and each channel's weight broadcast. Sums are interleaved to NHWC in
// registers before they are stored.

#include "conv_small_channels_transpose.h"

#if defined(__x86_64__)

// Stores the planes of count pixels (at most 16); at is the first in the result.
RL_AVX512 RL_INLINE void store(const sc_tile *t, const __m512 *sum, const int stride, const int channels, int64_t at,
                               int count)
{
    const int width = channels <= 4 ? 4 : 8;
    __m512 planes[SC_CHANNELS], out[SC_CHANNELS];
    if (channels == 1 && t->pitch == 1) {
        sc_store(t, at, sum[0], sc_lanes(count));
        return;
    }
#pragma GCC unroll 8
    for (int o = 0; o < width; o++) planes[o] = o < channels ? sum[o * stride] : _mm512_setzero_ps();
    if (width == 8) {
        sc_interleave8(planes, out);
    } else {
        sc_interleave4(planes);
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++) out[k] = planes[k];
    }
    if (channels == width && t->pitch == width) {
#pragma GCC unroll 8
        for (int k = 0; k < width; k++) sc_store(t, at + k * SC_VECTOR, out[k], sc_lanes(count * width - k * SC_VECTOR));
        return;
    }
    float rows[SC_CHANNELS * SC_VECTOR] __attribute__((aligned(64)));
#pragma GCC unroll 8
    for (int k = 0; k < width; k++) _mm512_store_ps(rows + k * SC_VECTOR, out[k]);
    for (int p = 0; p < count; p++) {
        __mmask16 lanes = sc_lanes(channels);
        sc_store(t, at + (int64_t)p * t->pitch, _mm512_maskz_loadu_ps(lanes, rows + p * width), lanes);
    }
}

RL_AVX512 RL_INLINE void tile(const sc_tile *t, const int vectors, const int channels)
{
    __m512 sum[SC_SUMS];
    const float *w = t->w, *x = t->x;
#pragma GCC unroll 8
    for (int o = 0; o < channels; o++)
#pragma GCC unroll 7
        for (int v = 0; v < vectors; v++) sum[o * vectors + v] = _mm512_set1_ps(t->bias[o]);
    for (const int32_t *at = t->at, *end = at + t->taps; at < end; at++, w += channels) {
        const float *from = x + *at;
        __m512 e[7];
        if (vectors <= channels) {
#pragma GCC unroll 7
            for (int v = 0; v < vectors; v++) {
                e[v] = _mm512_loadu_ps(from + v * SC_VECTOR);
                RL_KEEP(e[v]);
            }
#pragma GCC unroll 8
            for (int o = 0; o < channels; o++) {
                __m512 k = _mm512_set1_ps(w[o]);
                RL_KEEP(k);
#pragma GCC unroll 7
                for (int v = 0; v < vectors; v++) sum[o * vectors + v] = _mm512_fmadd_ps(k, e[v], sum[o * vectors + v]);
            }
        } else {
#pragma GCC unroll 8
            for (int o = 0; o < channels; o++) {
                e[o] = _mm512_set1_ps(w[o]);
                RL_KEEP(e[o]);
            }
#pragma GCC unroll 7
            for (int v = 0; v < vectors; v++) {
                __m512 k = _mm512_loadu_ps(from + v * SC_VECTOR);
                RL_KEEP(k);
#pragma GCC unroll 8
                for (int o = 0; o < channels; o++)
                    sum[o * vectors + v] = _mm512_fmadd_ps(e[o], k, sum[o * vectors + v]);
            }
        }
    }
#pragma GCC unroll 7
    for (int v = 0; v < vectors; v++)
        store(t, sum + v, vectors, channels, (int64_t)v * SC_VECTOR * t->pitch, 
              t->pixels - v * SC_VECTOR < SC_VECTOR ? t->pixels - v * SC_VECTOR : SC_VECTOR);
}

#define EACH(F)                                                                                                        \
    F(1, 1) F(2, 1) F(3, 1) F(4, 1) F(5, 1) F(6, 1) F(7, 1) F(1, 2) F(2, 2) F(3, 2) F(4, 2) F(5, 2) F(6, 2) F(7, 2)    \
    F(1, 3) F(2, 3) F(3, 3) F(4, 3) F(5, 3) F(6, 3) F(7, 3) F(1, 4) F(2, 4) F(3, 4) F(4, 4) F(5, 4) F(6, 4) F(7, 4)    \
    F(1, 5) F(2, 5) F(3, 5) F(4, 5) F(5, 5) F(1, 6) F(2, 6) F(3, 6) F(4, 6) F(1, 7) F(2, 7) F(3, 7) F(4, 7)            \
    F(1, 8) F(2, 8) F(3, 8)
#define DEFINE(vectors, channels) \
    RL_AVX512 static void tile_##vectors##_##channels(const sc_tile *t) { tile(t, vectors, channels); }
#define ENTRY(vectors, channels) [channels - 1][vectors - 1] = tile_##vectors##_##channels,

EACH(DEFINE)

sc_kernel sc_pixel_lanes(int vectors, int channels)
{
    static const sc_kernel kernels[SC_CHANNELS][7] = { EACH(ENTRY) };
    return kernels[channels - 1][vectors - 1];
}

#endif
