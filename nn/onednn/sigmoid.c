//go:build onednn && cgo

// Sigmoid and its gradient. Memory-bound: four to eight bytes move per handful of instructions.

#include "kernel_base.h"

#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>

// One Newton step on the 14-bit estimate: a third of the division's time. The sum is within one unit in the last place.
RL_AVX512 RL_INLINE __m512 reciprocal16(__m512 d)
{
    __m512 e = _mm512_rcp14_ps(d);
    return _mm512_fmadd_ps(_mm512_fnmadd_ps(d, e, _mm512_set1_ps(1.0f)), e, e);
}

#define SUFFIX avx512
#define LANES 16
#define TARGET RL_AVX512
// Of an operand that is a NaN, min and max return the second.
#define CLAMP(v) (floats_avx512) _mm512_max_ps(_mm512_set1_ps(-80), _mm512_min_ps(_mm512_set1_ps(80), (__m512)(v)))
#define SCALE(p, n, s) (floats_avx512) _mm512_scalef_ps((__m512)(p), (__m512)(n))
#define RECIPROCAL(d) (floats_avx512) reciprocal16((__m512)(d))
#include "sigmoid.h"

#define SUFFIX avx2
#define LANES 8
#define TARGET __attribute__((target("avx2,fma")))
#define CLAMP(v) (floats_avx2) _mm256_max_ps(_mm256_set1_ps(-80), _mm256_min_ps(_mm256_set1_ps(80), (__m256)(v)))
#define SCALE(p, n, s) ((p) * (floats_avx2)(((ints_avx2)(s) << 23) + 0x3f800000))
#define RECIPROCAL(d) (1.0f / (d))
#include "sigmoid.h"
#endif

typedef float floats4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t ints4 __attribute__((vector_size(16)));

// A NaN fails both comparisons and passes through.
static inline floats4 clamp_any(floats4 v)
{
    const floats4 limit = { 80, 80, 80, 80 };
    ints4 above = v > limit, below = v < -limit;
    return (floats4)((above & (ints4)limit) | (below & (ints4)-limit) | (~(above | below) & (ints4)v));
}

#define SUFFIX any
#define LANES 4
#define TARGET
#define CLAMP(v) clamp_any(v)
#define SCALE(p, n, s) ((p) * (floats_any)(((ints_any)(s) << 23) + 0x3f800000))
#define RECIPROCAL(d) (1.0f / (d))
#include "sigmoid.h"

typedef struct sigmoid {
    rl_kernel_base base;
    int64_t len;
    void (*forward)(float *, const float *, int64_t);
    void (*backward)(float *, const float *, const float *, int64_t);
} sigmoid;

enum { GRAIN = 1024 };

static void forward_range(rl_kernel *k, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    ((sigmoid *)k)->forward(op->dst[0] + begin, op->src[0] + begin, end - begin);
}

static int forward_run(rl_kernel *k, const rl_operands *op)
{
    rl_parallel(k, op, ((sigmoid *)k)->len, GRAIN, forward_range);
    return RL_OK;
}

static void backward_range(rl_kernel *k, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    ((sigmoid *)k)->backward(op->dst[0] + begin, op->src[0] + begin, op->src[1] + begin, end - begin);
}

static int backward_run(rl_kernel *k, const rl_operands *op)
{
    rl_parallel(k, op, ((sigmoid *)k)->len, GRAIN, backward_range);
    return RL_OK;
}

static int create(const rl_device *d, int64_t len, int (*run)(rl_kernel *, const rl_operands *), rl_kernel **out)
{
    sigmoid *s = rl_kernel_new(d, sizeof *s, "sigmoid", run);
    if (!s) return RL_NO_MEMORY;
    s->len = len;
    s->forward = forward_any;
    s->backward = backward_any;
#if defined(__x86_64__)
    if (d->avx512) {
        s->forward = forward_avx512;
        s->backward = backward_avx512;
    } else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        s->forward = forward_avx2;
        s->backward = backward_avx2;
    }
#endif
    return rl_kernel_finish(s, out);
}

int rl_sigmoid_forward(const rl_device *d, int64_t len, rl_kernel **out)
{
    return create(d, len, forward_run, out);
}

int rl_sigmoid_backward(const rl_device *d, int64_t len, rl_kernel **out)
{
    return create(d, len, backward_run, out);
}
