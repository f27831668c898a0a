// The vectors that versions.h offers to a body. n is how many of the LANES count: the rest are neither read nor
// written in memory, and are 0 in a register.

typedef float FLOATS __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t INTS __attribute__((vector_size(4 * LANES)));
typedef uint8_t NAME(bytes) __attribute__((vector_size(LANES), aligned(1), may_alias));

#define VECTOR TARGET static inline __attribute__((always_inline, unused))

VECTOR FLOATS NAME(splat)(float v) { return v - (FLOATS){ 0 }; }

#if LANES == 16

VECTOR MASK NAME(first)(int n) { return (MASK)_bzhi_u32(0xffff, (unsigned)n); }

VECTOR FLOATS NAME(load)(const float *p, int n) { return (FLOATS)_mm512_maskz_loadu_ps(NAME(first)(n), p); }

VECTOR void NAME(store)(float *p, FLOATS v, int n) { _mm512_mask_storeu_ps(p, NAME(first)(n), (__m512)v); }

// False where either is not a number.
VECTOR MASK NAME(above)(FLOATS a, FLOATS b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ); }

VECTOR MASK NAME(above_or_nan)(FLOATS a, FLOATS b)
{
    return (MASK)(NAME(above)(a, b) | _mm512_cmp_ps_mask((__m512)a, (__m512)a, _CMP_UNORD_Q));
}

VECTOR FLOATS NAME(where)(MASK m, FLOATS yes, FLOATS no)
{
    return (FLOATS)_mm512_mask_mov_ps((__m512)no, m, (__m512)yes);
}

VECTOR INTS NAME(where_int)(MASK m, int32_t yes, INTS no)
{
    return (INTS)_mm512_mask_set1_epi32((__m512i)no, m, yes);
}

// The lanes whose byte is that of value.
VECTOR MASK NAME(same_byte)(const uint8_t *p, NAME(bytes) value, int n)
{
    return _mm_cmpeq_epi8_mask(_mm_maskz_loadu_epi8(NAME(first)(n), p), (__m128i)value);
}

// sum + v in the lanes of the mask, sum in the others.
VECTOR FLOATS NAME(add_where)(MASK m, FLOATS sum, FLOATS v)
{
    return (FLOATS)_mm512_mask_add_ps((__m512)sum, m, (__m512)sum, (__m512)v);
}

VECTOR void NAME(store_bytes)(uint8_t *p, INTS v, int n)
{
    _mm512_mask_cvtepi32_storeu_epi8(p, NAME(first)(n), (__m512i)v);
}

#else

VECTOR FLOATS NAME(load)(const float *p, int n)
{
    if (n == LANES) return *(const FLOATS *)p;
    FLOATS v = { 0 };
    memcpy(&v, p, (size_t)n * sizeof *p);
    return v;
}

VECTOR void NAME(store)(float *p, FLOATS v, int n)
{
    if (n == LANES) *(FLOATS *)p = v;
    else memcpy(p, &v, (size_t)n * sizeof *p);
}

VECTOR MASK NAME(above)(FLOATS a, FLOATS b) { return a > b; }

VECTOR MASK NAME(above_or_nan)(FLOATS a, FLOATS b) { return (a > b) | (a != a); }

VECTOR FLOATS NAME(where)(MASK m, FLOATS yes, FLOATS no) { return (FLOATS)((m & (INTS)yes) | (~m & (INTS)no)); }

VECTOR INTS NAME(where_int)(MASK m, int32_t yes, INTS no) { return (m & (yes - (INTS){ 0 })) | (~m & no); }

VECTOR MASK NAME(same_byte)(const uint8_t *p, NAME(bytes) value, int n)
{
    NAME(bytes) v = { 0 };
    if (n == LANES) v = *(const NAME(bytes) *)p;
    else memcpy(&v, p, (size_t)n);
    return __builtin_convertvector(v, INTS) == __builtin_convertvector(value, INTS);
}

VECTOR FLOATS NAME(add_where)(MASK m, FLOATS sum, FLOATS v) { return sum + (FLOATS)(m & (INTS)v); }

VECTOR void NAME(store_bytes)(uint8_t *p, INTS v, int n)
{
    NAME(bytes) b = __builtin_convertvector(v, NAME(bytes));
    memcpy(p, &b, (size_t)n);
}

#endif

VECTOR FLOATS NAME(root)(FLOATS v)
{
#if LANES == 16
    return (FLOATS)_mm512_sqrt_ps((__m512)v);
#elif LANES == 8
    return (FLOATS)_mm256_sqrt_ps((__m256)v);
#else
    for (int i = 0; i < LANES; i++) v[i] = sqrtf(v[i]);
    return v;
#endif
}

// max(0, v); what is not a number stays so.
VECTOR FLOATS NAME(positive)(FLOATS v) { return NAME(where)(NAME(above_or_nan)(v, (FLOATS){ 0 }), v, (FLOATS){ 0 }); }

// v where m is positive, else 0.
VECTOR FLOATS NAME(masked)(FLOATS v, FLOATS m) { return NAME(where)(NAME(above)(m, (FLOATS){ 0 }), v, (FLOATS){ 0 }); }

#undef VECTOR
