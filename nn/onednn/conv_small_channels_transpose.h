// Between interleaved channels (NHWC) and planes of 16 pixels, in registers. Vectors are seen as four quarters of four
// elements; turning quarters about (sc_quarters) and turning each quarter's elements about (sc_elements) are each
// their own inverse, so both directions use the same two steps.

#ifndef RINGLOOM_ONEDNN_CONV_SMALL_CHANNELS_TRANSPOSE_H
#define RINGLOOM_ONEDNN_CONV_SMALL_CHANNELS_TRANSPOSE_H

#include "conv_small_channels.h"

#if defined(__x86_64__)

// Quarter l of out[k] is quarter k of in[l]. The vectors lie stride apart in the arrays.
RL_AVX512 RL_INLINE void sc_quarters(const __m512 *in, const int in_stride, __m512 *out, const int out_stride)
{
    __m512 a = in[0], b = in[in_stride], c = in[2 * in_stride], d = in[3 * in_stride];
    __m512 ab = _mm512_shuffle_f32x4(a, b, 0x44), cd = _mm512_shuffle_f32x4(c, d, 0x44);
    __m512 ab_high = _mm512_shuffle_f32x4(a, b, 0xee), cd_high = _mm512_shuffle_f32x4(c, d, 0xee);
    out[0] = _mm512_shuffle_f32x4(ab, cd, 0x88);
    out[out_stride] = _mm512_shuffle_f32x4(ab, cd, 0xdd);
    out[2 * out_stride] = _mm512_shuffle_f32x4(ab_high, cd_high, 0x88);
    out[3 * out_stride] = _mm512_shuffle_f32x4(ab_high, cd_high, 0xdd);
}

// In each quarter, element l of v[k] and element k of v[l] change places.
RL_AVX512 RL_INLINE void sc_elements(__m512 *v)
{
    __m512 ab = _mm512_unpacklo_ps(v[0], v[1]), ab_high = _mm512_unpackhi_ps(v[0], v[1]);
    __m512 cd = _mm512_unpacklo_ps(v[2], v[3]), cd_high = _mm512_unpackhi_ps(v[2], v[3]);
    v[0] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd)));
    v[1] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd)));
    v[2] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(ab_high), _mm512_castps_pd(cd_high)));
    v[3] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(ab_high), _mm512_castps_pd(cd_high)));
}

// 4 planes to 4 vectors of 4 pixels with 4 channels.
RL_AVX512 RL_INLINE void sc_interleave4(__m512 *v)
{
    sc_elements(v);
    sc_quarters(v, 1, v, 1);
}

// 8 planes to 8 vectors of 2 pixels with 8 channels.
RL_AVX512 RL_INLINE void sc_interleave8(const __m512 *planes, __m512 *out)
{
    __m512 v[8]; // [pixel mod 4][channels 0-3, channels 4-7]
#pragma GCC unroll 2
    for (int g = 0; g < 2; g++) {
        __m512 q[4] = { planes[4 * g], planes[4 * g + 1], planes[4 * g + 2], planes[4 * g + 3] };
        sc_elements(q);
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++) v[2 * k + g] = q[k];
    }
    sc_quarters(v, 1, out, 2);
    sc_quarters(v + 4, 1, out + 1, 2);
}

// The planes of 16 pixels of up to 16 channels. Of pixels behind the count they hold zeros.
RL_AVX512 RL_INLINE void sc_planes(const float *x, int pitch, int channels, int count, float *to, int64_t plane)
{
    __m512 in[16], q[16];
    if (pitch == channels && channels == 4) {
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++) in[k] = _mm512_maskz_loadu_ps(sc_lanes(count * 4 - k * 16), x + k * 16);
        sc_quarters(in, 1, in, 1);
        sc_elements(in);
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++) _mm512_storeu_ps(to + k * plane, in[k]);
        return;
    }
    if (pitch == channels && channels == 8) {
#pragma GCC unroll 8
        for (int k = 0; k < 8; k++) in[k] = _mm512_maskz_loadu_ps(sc_lanes(count * 8 - k * 16), x + k * 16);
        sc_quarters(in, 2, q, 1);
        sc_quarters(in + 1, 2, q + 4, 1);
#pragma GCC unroll 2
        for (int g = 0; g < 2; g++) {
            __m512 e[4] = { q[g], q[g + 2], q[g + 4], q[g + 6] };
            sc_elements(e);
#pragma GCC unroll 4
            for (int k = 0; k < 4; k++) _mm512_storeu_ps(to + (4 * g + k) * plane, e[k]);
        }
        return;
    }
    __mmask16 lanes = sc_lanes(channels);
    if (count >= 16)
#pragma GCC unroll 16
        for (int k = 0; k < 16; k++) in[k] = _mm512_maskz_loadu_ps(lanes, x + (int64_t)k * pitch);
    else
#pragma GCC unroll 16
        for (int k = 0; k < 16; k++) in[k] = _mm512_maskz_loadu_ps(k < count ? lanes : 0, x + (int64_t)k * pitch);
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) sc_quarters(in + k, 4, q + k, 4); // q[4g + k]: pixels k mod 4, channels 4g to 4g+3
#pragma GCC unroll 4
    for (int g = 0; g < 4; g++) {
        sc_elements(q + 4 * g);
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++)
            if (4 * g + k < channels) _mm512_storeu_ps(to + (4 * g + k) * plane, q[4 * g + k]);
    }
}

#endif
#endif
