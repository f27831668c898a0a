// The sigmoid over a span, written once over vectors of any width: sigmoid.c includes this file per instruction set,
// with these set: SUFFIX (of the functions' names), LANES, TARGET (attribute), and
//   CLAMP(v)       v limited to [-80, 80]; a NaN stays one
//   SCALE(p, n, s) p * 2^n for integral n; s is n + 1.5 * 2^23, whose low bits hold n as an integer
//   RECIPROCAL(d)  1/d for d in [1, 2^116)
//
// exp(v) follows the usual scheme: v = n ln 2 + r with |r| <= ln 2 / 2, a polynomial in r, n added to the exponent. The
// polynomial is 1 + r + r^2 q(r), q of degree 4 by Remez's algorithm for the least relative error (3e-9).

#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)
#define FLOATS JOIN(floats, SUFFIX)
#define INTS JOIN(ints, SUFFIX)

typedef float FLOATS __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t INTS __attribute__((vector_size(4 * LANES)));

TARGET static inline __attribute__((always_inline)) void JOIN(forward_vector, SUFFIX)(float *y, const float *x)
{
    // Beyond 80 the result is 1 or below 2e-35.
    FLOATS v = CLAMP(-*(const FLOATS *)x);
    // Adding 1.5 * 2^23 rounds to the nearest integer.
    FLOATS shifted = v * 1.44269504f + 12582912.0f;
    FLOATS n = shifted - 12582912.0f;
    // ln 2 in two parts, of which the first times n is exact.
    FLOATS r = v - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    FLOATS p = r * 1.38145986e-3f + 8.36871688e-3f;
    p = p * r + 4.1668388e-2f;
    p = p * r + 1.66665206e-1f;
    p = p * r + 4.99999934e-1f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    FLOATS e = SCALE(p, n, shifted);
    *(FLOATS *)y = RECIPROCAL(e + 1.0f);
}

TARGET static void JOIN(forward, SUFFIX)(float *y, const float *x, int64_t n)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) JOIN(forward_vector, SUFFIX)(y + i, x + i);
    if (i < n) {
        // The tail takes the same path, so that a value's result does not depend on where it stands.
        float in[LANES] = { 0 }, out[LANES];
        memcpy(in, x + i, (size_t)(n - i) * sizeof(float));
        JOIN(forward_vector, SUFFIX)(out, in);
        memcpy(y + i, out, (size_t)(n - i) * sizeof(float));
    }
}

TARGET static void JOIN(backward, SUFFIX)(float *dx, const float *dy, const float *y, int64_t n)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        FLOATS g = *(const FLOATS *)(dy + i), v = *(const FLOATS *)(y + i);
        *(FLOATS *)(dx + i) = g * (v - v * v);
    }
    for (; i < n; i++) dx[i] = dy[i] * (y[i] - y[i] * y[i]);
}

#undef JOIN2
#undef JOIN
#undef FLOATS
#undef INTS
#undef SUFFIX
#undef LANES
#undef TARGET
#undef CLAMP
#undef SCALE
#undef RECIPROCAL
