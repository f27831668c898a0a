//go:build onednn && cgo

// The transforms of Winograd's minimal filtering (Lavin and Gray, "Fast algorithms for convolutional neural networks",
// 2016), as Toom and Cook have it: a tile and a kernel are polynomials, evaluated at alpha = m + r - 1 points,
// multiplied point by point and interpolated. The points are 0 (where alpha is even), +-a of the list below, and
// infinity. Being symmetric they halve the work: the even and odd powers are summed once for both signs.
//
// Where M(x) is the product of (x - p) over the finite points, B^T's row of p is M(x)/(x - p), infinity's is M(x); A's
// is the powers of p; G's is the powers of p divided by M'(p). The points were found by search for a small error in
// float32; all constants of A and B are exact in it.

#include "winograd.h"

#if defined(__x86_64__)

enum { MAX_ALPHA = 8, MAX_PAIRS = 3 };

RL_INLINE float point(const int alpha, const int i)
{
    switch (alpha) {
    case 4: return 1;
    case 5: return i == 0 ? 0.5f : 1.25f;
    case 6: return i == 0 ? 0.625f : 1.5f;
    case 7: return i == 0 ? 0.375f : i == 1 ? 0.75f : 2;
    }
    return i == 0 ? 0.5f : i == 1 ? 1 : 2;
}

RL_INLINE int zero_point(const int alpha) { return alpha % 2 == 0; }
RL_INLINE int pairs(const int alpha) { return (alpha - 1) / 2; }
RL_INLINE float square(const int alpha, const int i) { return point(alpha, i) * point(alpha, i); }

RL_INLINE float power(const int alpha, const int i, const int k)
{
    float p = 1;
#pragma GCC unroll 8
    for (int j = 0; j < k; j++) p *= point(alpha, i);
    return p;
}

// Coefficient k of the product of (t - a_j^2) over all pairs.
RL_INLINE float whole(const int alpha, const int k)
{
    const int n = pairs(alpha);
    float a = square(alpha, 0), b = n > 1 ? square(alpha, 1) : 0, c = n > 2 ? square(alpha, 2) : 0;
    if (k == n) return 1;
    if (k == n - 1) return -(a + b + c);
    if (k == n - 2) return a * b + a * c + b * c;
    return -a * b * c;
}

// The same without pair i.
RL_INLINE float without(const int alpha, const int i, const int k)
{
    const int n = pairs(alpha);
    float a = n > 1 ? square(alpha, i == 0 ? 1 : 0) : 0, b = n > 2 ? square(alpha, i == 2 ? 1 : 2) : 0;
    if (k == n - 1) return 1;
    if (k == n - 2) return -(a + b);
    return a * b;
}

// 1/M'(a_i); at -a_i it has the same sign where 0 is a point, else the opposite one.
RL_INLINE float scale(const int alpha, const int i)
{
    float a = point(alpha, i), product = zero_point(alpha) ? 2 * a * a : 2 * a;
#pragma GCC unroll 4
    for (int j = 0; j < pairs(alpha); j++)
        if (j != i) product *= a * a - square(alpha, j);
    return 1 / product;
}

RL_AVX512 RL_INLINE __m512 times(float c, __m512 v, __m512 add) { return _mm512_fmadd_ps(_mm512_set1_ps(c), v, add); }
RL_AVX512 RL_INLINE __m512 scaled(float c, __m512 v) { return c == 1 ? v : _mm512_mul_ps(_mm512_set1_ps(c), v); }

// out [alpha] = B^T d.
RL_AVX512 RL_INLINE void input_line(const int alpha, const __m512 *d, __m512 *out)
{
    const int z = zero_point(alpha), n = pairs(alpha);
    __m512 first = d[2 * n], infinity = d[2 * n + z];
#pragma GCC unroll 4
    for (int k = n - 1; k >= 0; k--) {
        if (z) first = times(whole(alpha, k), d[2 * k], first);
        infinity = times(whole(alpha, k), d[2 * k + z], infinity);
    }
    if (z) out[0] = first;
    out[alpha - 1] = infinity;
#pragma GCC unroll 4
    for (int i = 0; i < n; i++) {
        __m512 even = d[2 * n - 1 + z], odd = d[2 * n - 2 + z];
#pragma GCC unroll 4
        for (int k = n - 2; k >= 0; k--) {
            even = times(without(alpha, i, k), d[2 * k + 1 + z], even);
            odd = times(without(alpha, i, k), d[2 * k + z], odd);
        }
        out[z + 2 * i] = times(point(alpha, i), odd, even);
        out[z + 2 * i + 1] = times(-point(alpha, i), odd, even);
    }
}

// out [m] = A^T v.
RL_AVX512 RL_INLINE void output_line(const int m, const int alpha, const __m512 *v, __m512 *out)
{
    const int z = zero_point(alpha), n = pairs(alpha);
    __m512 sum[MAX_PAIRS], difference[MAX_PAIRS];
#pragma GCC unroll 4
    for (int i = 0; i < n; i++) {
        sum[i] = _mm512_add_ps(v[z + 2 * i], v[z + 2 * i + 1]);
        difference[i] = _mm512_sub_ps(v[z + 2 * i], v[z + 2 * i + 1]);
    }
#pragma GCC unroll 8
    for (int k = 0; k < m; k++) {
        const __m512 *part = k % 2 ? difference : sum;
        __m512 y = scaled(power(alpha, 0, k), part[0]);
#pragma GCC unroll 4
        for (int i = 1; i < n; i++)
            y = power(alpha, i, k) == 1 ? _mm512_add_ps(y, part[i]) : times(power(alpha, i, k), part[i], y);
        if (k == 0 && z) y = _mm512_add_ps(y, v[0]);
        if (k == m - 1) y = _mm512_add_ps(y, v[alpha - 1]);
        out[k] = y;
    }
}

// out [alpha] = A dy.
RL_AVX512 RL_INLINE void gradient_line(const int m, const int alpha, const __m512 *dy, __m512 *out)
{
    const int z = zero_point(alpha), n = pairs(alpha);
    if (z) out[0] = dy[0];
    out[alpha - 1] = dy[m - 1];
#pragma GCC unroll 4
    for (int i = 0; i < n; i++) {
        __m512 even = dy[0], odd = scaled(point(alpha, i), dy[1]);
#pragma GCC unroll 8
        for (int k = 2; k < m; k++) {
            if (k % 2) odd = times(power(alpha, i, k), dy[k], odd);
            else even = times(power(alpha, i, k), dy[k], even);
        }
        out[z + 2 * i] = _mm512_add_ps(even, odd);
        out[z + 2 * i + 1] = _mm512_sub_ps(even, odd);
    }
}

// out [alpha] = G w.
RL_AVX512 RL_INLINE void weights_line(const int r, const int alpha, const __m512 *w, __m512 *out)
{
    const int z = zero_point(alpha), n = pairs(alpha);
    if (z) out[0] = scaled(1 / whole(alpha, 0), w[0]);
    out[alpha - 1] = w[r - 1];
#pragma GCC unroll 4
    for (int i = 0; i < n; i++) {
        __m512 even = w[0], odd = scaled(point(alpha, i), w[1]);
#pragma GCC unroll 8
        for (int k = 2; k < r; k++) {
            if (k % 2) odd = times(power(alpha, i, k), w[k], odd);
            else even = times(power(alpha, i, k), w[k], even);
        }
        __m512 s = _mm512_set1_ps(scale(alpha, i)), plus = _mm512_add_ps(even, odd);
        __m512 minus = z ? _mm512_sub_ps(even, odd) : _mm512_sub_ps(odd, even);
        out[z + 2 * i] = _mm512_mul_ps(s, plus);
        out[z + 2 * i + 1] = _mm512_mul_ps(s, minus);
    }
}

// out [r] = G^T u.
RL_AVX512 RL_INLINE void weights_gradient_line(const int r, const int alpha, const __m512 *u, __m512 *out)
{
    const int z = zero_point(alpha), n = pairs(alpha);
    __m512 even[MAX_PAIRS], odd[MAX_PAIRS];
#pragma GCC unroll 4
    for (int i = 0; i < n; i++) {
        __m512 sum = _mm512_add_ps(u[z + 2 * i], u[z + 2 * i + 1]);
        __m512 difference = _mm512_sub_ps(u[z + 2 * i], u[z + 2 * i + 1]);
        even[i] = z ? sum : difference;
        odd[i] = z ? difference : sum;
    }
#pragma GCC unroll 8
    for (int k = 0; k < r; k++) {
        const __m512 *part = k % 2 ? odd : even;
        __m512 w = scaled(scale(alpha, 0) * power(alpha, 0, k), part[0]);
#pragma GCC unroll 4
        for (int i = 1; i < n; i++) w = times(scale(alpha, i) * power(alpha, i, k), part[i], w);
        if (k == 0 && z) w = times(1 / whole(alpha, 0), u[0], w);
        if (k == r - 1) w = _mm512_add_ps(w, u[alpha - 1]);
        out[k] = w;
    }
}

// Every two-dimensional transform is the line's over columns, then over rows.

RL_AVX512 RL_INLINE void input_tile(const int alpha, const int inside, const rl_tile *t, const float *x, float *v, int64_t stride)
{
    __m512 half[MAX_ALPHA][MAX_ALPHA], line[MAX_ALPHA], out[MAX_ALPHA];
    for (int j = 0; j < alpha; j++, x += t->pixel) {
        __mmask16 lanes = j >= t->left && j < t->right ? t->lanes : 0;
#pragma GCC unroll 8
        for (int i = 0; i < alpha; i++)
            line[i] = inside ? _mm512_loadu_ps(x + i * t->row)
                    : _mm512_maskz_loadu_ps(i >= t->top && i < t->bottom ? lanes : 0, x + i * t->row);
        input_line(alpha, line, out);
#pragma GCC unroll 8
        for (int i = 0; i < alpha; i++) half[i][j] = out[i];
    }
    for (int i = 0; i < alpha; i++) {
        input_line(alpha, half[i], out);
#pragma GCC unroll 8
        for (int j = 0; j < alpha; j++, v += stride) _mm512_store_ps(v, out[j]);
    }
}

RL_AVX512 RL_INLINE void output_tile(const int m, const int r, const rl_tile *t, const rl_epilogue *e, const float *from, int64_t stride, float *y)
{
    const int alpha = m + r - 1;
    const __m512 zero = _mm512_setzero_ps();
    __m512 half[MAX_ALPHA][MAX_ALPHA], line[MAX_ALPHA], out[MAX_ALPHA];
    __m512 bias = e->bias ? _mm512_maskz_loadu_ps(t->lanes, e->bias) : zero;
    for (int j = 0; j < alpha; j++, from += stride) {
#pragma GCC unroll 8
        for (int i = 0; i < alpha; i++) line[i] = _mm512_load_ps(from + i * alpha * stride);
        output_line(m, alpha, line, out);
#pragma GCC unroll 8
        for (int i = 0; i < m; i++) half[i][j] = out[i];
    }
    for (int i = 0; i < t->bottom; i++) {
        output_line(m, alpha, half[i], out);
#pragma GCC unroll 8
        for (int j = 0; j < m; j++) {
            if (j >= t->right) break;
            int64_t at = i * t->row + j * t->pixel;
            __m512 v = _mm512_add_ps(out[j], bias);
            if (e->accumulate) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(t->lanes, y + at));
            if (e->relu) v = _mm512_max_ps(zero, v); // in this order it keeps what is not a number
            if (e->mask) v = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(_mm512_maskz_loadu_ps(t->lanes, e->mask + at), zero, _CMP_GT_OQ), v);
            _mm512_mask_storeu_ps(y + at, t->lanes, v);
        }
    }
}

RL_AVX512 RL_INLINE void gradient_tile(const int m, const int r, const rl_tile *t, const float *dy, float *to, int64_t stride, float *sum)
{
    const int alpha = m + r - 1;
    __m512 half[MAX_ALPHA][MAX_ALPHA], line[MAX_ALPHA], out[MAX_ALPHA], total = _mm512_load_ps(sum);
    for (int j = 0; j < m; j++, dy += t->pixel) {
        __mmask16 lanes = j < t->right ? t->lanes : 0;
#pragma GCC unroll 8
        for (int i = 0; i < m; i++) {
            line[i] = _mm512_maskz_loadu_ps(i < t->bottom ? lanes : 0, dy + i * t->row);
            total = _mm512_add_ps(total, line[i]);
        }
        gradient_line(m, alpha, line, out);
#pragma GCC unroll 8
        for (int i = 0; i < alpha; i++) half[i][j] = out[i];
    }
    for (int i = 0; i < alpha; i++) {
        gradient_line(m, alpha, half[i], out);
#pragma GCC unroll 8
        for (int j = 0; j < alpha; j++, to += stride) _mm512_store_ps(to, out[j]);
    }
    _mm512_store_ps(sum, total);
}

RL_AVX512 RL_INLINE __m512i lane_offsets(int64_t lane)
{
    const __m512i count = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return _mm512_mullo_epi32(count, _mm512_set1_epi32((int)lane));
}

RL_AVX512 RL_INLINE void weights_tile(const int m, const int r, const float *w, int64_t lane, __mmask16 lanes, int flipped, float *u, int64_t stride)
{
    const int alpha = m + r - 1;
    __m512 half[MAX_ALPHA][MAX_ALPHA], line[MAX_ALPHA], out[MAX_ALPHA];
    __m512i offsets = lane_offsets(lane);
    for (int j = 0; j < r; j++) {
#pragma GCC unroll 8
        for (int i = 0; i < r; i++) {
            int tap = flipped ? r * r - 1 - (r * i + j) : r * i + j;
            line[i] = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), lanes, offsets, w + tap, 4);
        }
        weights_line(r, alpha, line, out);
#pragma GCC unroll 8
        for (int i = 0; i < alpha; i++) half[i][j] = out[i];
    }
    for (int i = 0; i < alpha; i++) {
        weights_line(r, alpha, half[i], out);
#pragma GCC unroll 8
        for (int j = 0; j < alpha; j++, u += stride) _mm512_store_ps(u, out[j]);
    }
}

RL_AVX512 RL_INLINE void weights_gradient_tile(const int m, const int r, const float *u, int64_t stride, __mmask16 lanes, float *w)
{
    const int alpha = m + r - 1;
    __m512 half[MAX_ALPHA][MAX_ALPHA], line[MAX_ALPHA], out[MAX_ALPHA];
    __m512i offsets = lane_offsets(r * r);
    for (int j = 0; j < alpha; j++, u += stride) {
#pragma GCC unroll 8
        for (int i = 0; i < alpha; i++) line[i] = _mm512_load_ps(u + i * alpha * stride);
        weights_gradient_line(r, alpha, line, out);
#pragma GCC unroll 8
        for (int i = 0; i < r; i++) half[i][j] = out[i];
    }
    for (int i = 0; i < r; i++) {
        weights_gradient_line(r, alpha, half[i], out);
#pragma GCC unroll 8
        for (int j = 0; j < r; j++) _mm512_mask_i32scatter_ps(w + r * i + j, lanes, offsets, out[j], 4);
    }
}

#define TRANSFORMS(m, r)                                                                                                 \
    RL_AVX512 static void input_##m##_##r(const rl_tile *t, const float *x, float *v, int64_t stride)                    \
    {                                                                                                                    \
        const int alpha = m + r - 1;                                                                                     \
        if (t->top == 0 && t->left == 0 && t->bottom == alpha && t->right == alpha && t->lanes == 0xffff)                \
            input_tile(alpha, 1, t, x, v, stride);                                                                       \
        else                                                                                                             \
            input_tile(alpha, 0, t, x, v, stride);                                                                       \
    }                                                                                                                    \
    RL_AVX512 static void output_##m##_##r(const rl_tile *t, const rl_epilogue *e, const float *from, int64_t stride, float *y) \
    { output_tile(m, r, t, e, from, stride, y); }                                                                        \
    RL_AVX512 static void gradient_##m##_##r(const rl_tile *t, const float *dy, float *to, int64_t stride, float *sum)   \
    { gradient_tile(m, r, t, dy, to, stride, sum); }                                                                     \
    RL_AVX512 static void weights_##m##_##r(const float *w, int64_t lane, __mmask16 lanes, int flipped, float *u, int64_t stride) \
    { weights_tile(m, r, w, lane, lanes, flipped, u, stride); }                                                          \
    RL_AVX512 static void weights_gradient_##m##_##r(const float *u, int64_t stride, __mmask16 lanes, float *w)          \
    { weights_gradient_tile(m, r, u, stride, lanes, w); }

#define ROW(m, r) { m, r, input_##m##_##r, output_##m##_##r, gradient_##m##_##r, weights_##m##_##r, weights_gradient_##m##_##r }

TRANSFORMS(2, 3)
TRANSFORMS(3, 3)
TRANSFORMS(4, 3)
TRANSFORMS(6, 3)
TRANSFORMS(2, 5)
TRANSFORMS(3, 5)
TRANSFORMS(4, 5)

static const rl_winograd table[] = { ROW(2, 3), ROW(3, 3), ROW(4, 3), ROW(6, 3), ROW(2, 5), ROW(3, 5), ROW(4, 5) };

const rl_winograd *rl_winograd_find(int m, int r)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].m == m && table[i].r == r) return &table[i];
    return NULL;
}

#endif
