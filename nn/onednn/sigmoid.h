// The sigmoid over a span, written once over vectors of any width: sigmoid.c includes this file per instruction set,
// with these set: SUFFIX (of the functions' names), LANES, TARGET (attribute), RECIPROCAL(d) (1/d, d in [1, 2^116)).
//
// exp follows the usual scheme (Cephes expf): x = n ln 2 + r with |r| <= ln 2 / 2, a polynomial of degree 6 in r, and n
// added to the exponent. Within 2 units in the last place of the exact sigmoid.

#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)
#define FLOATS JOIN(floats, SUFFIX)
#define INTS JOIN(ints, SUFFIX)

typedef float FLOATS __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t INTS __attribute__((vector_size(4 * LANES)));

TARGET static inline __attribute__((always_inline)) void JOIN(forward_vector, SUFFIX)(float *y, const float *x)
{
    FLOATS v = -*(const FLOATS *)x;
    // Beyond 80 the result is 1 or below 2e-35; a NaN fails both comparisons and passes through.
    const FLOATS limit = (FLOATS){} + 80.0f;
    INTS above = v > limit, below = v < -limit;
    v = (FLOATS)((above & (INTS)limit) | (below & (INTS)-limit) | (~(above | below) & (INTS)v));
    // Adding 1.5 * 2^23 rounds to the nearest integer and leaves it in the low bits.
    FLOATS shifted = v * 1.44269504f + 12582912.0f;
    FLOATS n = shifted - 12582912.0f;
    FLOATS r = v - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    FLOATS p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    INTS scale = ((INTS)shifted << 23) + 0x3f800000;
    FLOATS e = p * (FLOATS)scale;
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
#undef RECIPROCAL
