//go:build onednn && cgo

#include "conv_small_channels_sums.h"

#if defined(__x86_64__)

// One span's sums at a time join the batch's: rounding errors stay small.
RL_AVX512 RL_INLINE void join(float *sums, __m512 v) { _mm512_store_ps(sums, _mm512_add_ps(_mm512_load_ps(sums), v)); }

RL_AVX512 RL_INLINE void channel_lanes(const sc_span *s, const int taps, const int vectors)
{
    __m512 sum[SC_SUMS];
    __mmask16 last = sc_lanes(s->channels - (vectors - 1) * SC_VECTOR);
#pragma GCC unroll 28
    for (int k = 0; k < taps * vectors; k++) sum[k] = _mm512_setzero_ps();
    for (int r = 0; r < s->rows; r++) {
        const float *x = s->x + r * s->x_row, *dy = s->dy + r * s->dy_row;
        for (int p = 0; p < s->pixels; p++, x += s->x_step, dy += s->pitch) {
            _mm_prefetch((const char *)(dy + s->ahead), _MM_HINT_T1);
            if (vectors == 1) {
                __m512 a = _mm512_maskz_loadu_ps(last, dy);
                RL_KEEP(a);
#pragma GCC unroll 28
                for (int k = 0; k < taps; k++) sum[k] = _mm512_fmadd_ps(a, _mm512_set1_ps(x[k]), sum[k]);
                continue;
            }
            __m512 a = _mm512_loadu_ps(dy), b = _mm512_maskz_loadu_ps(last, dy + SC_VECTOR);
            RL_KEEP(a);
            RL_KEEP(b);
            _mm_prefetch((const char *)(dy + s->ahead + SC_VECTOR), _MM_HINT_T1);
#pragma GCC unroll 14
            for (int k = 0; k < taps; k++) {
                __m512 e = _mm512_set1_ps(x[k]);
                RL_KEEP(e);
                sum[2 * k] = _mm512_fmadd_ps(a, e, sum[2 * k]);
                sum[2 * k + 1] = _mm512_fmadd_ps(b, e, sum[2 * k + 1]);
            }
        }
    }
#pragma GCC unroll 28
    for (int k = 0; k < taps * vectors; k++) join(s->sums + k * SC_VECTOR, sum[k]);
}

RL_AVX512 RL_INLINE void one_pixel(__m512 *sum, const float *const *x, int64_t at, const float *dy, const int vectors,
                                   const int channels)
{
    __m512 e[SC_TAP_VECTORS];
#pragma GCC unroll 3
    for (int v = 0; v < vectors; v++) {
        e[v] = _mm512_loadu_ps(x[v] + at);
        RL_KEEP(e[v]);
    }
#pragma GCC unroll 8
    for (int o = 0; o < channels; o++) {
        __m512 k = _mm512_set1_ps(dy[o]);
        RL_KEEP(k);
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++) sum[v * channels + o] = _mm512_fmadd_ps(k, e[v], sum[v * channels + o]);
    }
}

RL_AVX512 RL_INLINE void tap_lanes(const sc_span *s, const int vectors, const int channels)
{
    // Few sums are too few chains of additions to keep the units busy: then two pixels have sums of their own.
    const int both = vectors * channels <= 12;
    __m512 sum[SC_TAP_VECTORS * SC_CHANNELS], other[SC_TAP_VECTORS * SC_CHANNELS];
#pragma GCC unroll 24
    for (int k = 0; k < vectors * channels; k++) {
        sum[k] = _mm512_setzero_ps();
        other[k] = _mm512_setzero_ps();
    }
    for (int r = 0; r < s->rows; r++) {
        const float *x[SC_TAP_VECTORS], *dy = s->dy + r * s->dy_row;
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++) x[v] = s->x + r * s->x_row + s->apart[v];
        int p = 0;
        int64_t at = 0;
        if (s->ahead)
            for (int64_t i = 0; i < (int64_t)s->pixels * s->pitch; i += SC_VECTOR)
                _mm_prefetch((const char *)(dy + s->ahead + i), _MM_HINT_T1);
        for (; both && p + 2 <= s->pixels; p += 2, at += 2 * s->x_step, dy += 2 * s->pitch) {
            one_pixel(sum, x, at, dy, vectors, channels);
            one_pixel(other, x, at + s->x_step, dy + s->pitch, vectors, channels);
        }
        for (; p < s->pixels; p++, at += s->x_step, dy += s->pitch) one_pixel(sum, x, at, dy, vectors, channels);
    }
#pragma GCC unroll 24
    for (int k = 0; k < vectors * channels; k++)
        join(s->sums + k * SC_VECTOR, both ? _mm512_add_ps(sum[k], other[k]) : sum[k]);
}

#define EACH_CHANNEL(F)                                                                                                \
    F(1, 1) F(2, 1) F(3, 1) F(4, 1) F(5, 1) F(6, 1) F(7, 1) F(8, 1) F(9, 1) F(10, 1) F(11, 1) F(12, 1) F(13, 1)        \
    F(14, 1) F(15, 1) F(16, 1) F(17, 1) F(18, 1) F(19, 1) F(20, 1) F(21, 1) F(22, 1) F(23, 1) F(24, 1) F(25, 1)        \
    F(26, 1) F(27, 1) F(28, 1) F(1, 2) F(2, 2) F(3, 2) F(4, 2) F(5, 2) F(6, 2) F(7, 2) F(8, 2) F(9, 2) F(10, 2)        \
    F(11, 2) F(12, 2) F(13, 2) F(14, 2)
#define EACH_TAP(F)                                                                                                    \
    F(1, 1) F(1, 2) F(1, 3) F(1, 4) F(1, 5) F(1, 6) F(1, 7) F(1, 8) F(2, 1) F(2, 2) F(2, 3) F(2, 4) F(2, 5) F(2, 6)    \
    F(2, 7) F(2, 8) F(3, 1) F(3, 2) F(3, 3) F(3, 4) F(3, 5) F(3, 6) F(3, 7) F(3, 8)

#define DEFINE_CHANNEL(taps, vectors) \
    RL_AVX512 static void channels_##taps##_##vectors(const sc_span *s) { channel_lanes(s, taps, vectors); }
#define DEFINE_TAP(vectors, channels) \
    RL_AVX512 static void taps_##vectors##_##channels(const sc_span *s) { tap_lanes(s, vectors, channels); }
#define CHANNEL_ENTRY(taps, vectors) [vectors - 1][taps - 1] = channels_##taps##_##vectors,
#define TAP_ENTRY(vectors, channels) [vectors - 1][channels - 1] = taps_##vectors##_##channels,

EACH_CHANNEL(DEFINE_CHANNEL)
EACH_TAP(DEFINE_TAP)

sc_summer sc_sum_channel_lanes(int taps, int vectors)
{
    static const sc_summer kernels[2][SC_SUMS] = { EACH_CHANNEL(CHANNEL_ENTRY) };
    return kernels[vectors - 1][taps - 1];
}

sc_summer sc_sum_tap_lanes(int vectors, int channels)
{
    static const sc_summer kernels[SC_TAP_VECTORS][SC_CHANNELS] = { EACH_TAP(TAP_ENTRY) };
    return kernels[vectors - 1][channels - 1];
}

#endif
