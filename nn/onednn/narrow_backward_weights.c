//go:build onednn

// The weights' gradient of the narrow convolution (see narrow_forward.c). For one row of the kernel, a vector of 16
// output channels times each of the kw*ic floats under it: 15 accumulators at a time over a whole image, whose sums
// are then added to the batch's. Adding by image keeps the sums' rounding errors small as well.

#include "narrow.h"

#if defined(__x86_64__)

enum { BLOCK = 15 };

// Products of one image for kernel row i and the BLOCK floats from j, added to sums [BLOCK, 16].
RL_AVX512 static void accumulate(const narrow *k, const float *dy, const float *x, float *sums)
{
    int step = k->c.ic;
    __m512 sum[BLOCK];
#pragma GCC unroll 16
    for (int j = 0; j < BLOCK; j++) sum[j] = _mm512_setzero_ps();
    for (int h = 0; h < k->c.oh; h++) {
        const float *from = x + (int64_t)h * k->c.iw * step;
        for (int w = 0; w < k->c.ow; w++, from += step, dy += NARROW_OUT) {
            __m512 d = _mm512_loadu_ps(dy);
#pragma GCC unroll 16
            for (int j = 0; j < BLOCK; j++) sum[j] = _mm512_fmadd_ps(d, _mm512_set1_ps(from[j]), sum[j]);
        }
    }
#pragma GCC unroll 16
    for (int j = 0; j < BLOCK; j++)
        _mm512_store_ps(sums + j * NARROW_OUT, _mm512_add_ps(sum[j], _mm512_load_ps(sums + j * NARROW_OUT)));
}

RL_AVX512 static void accumulate_bias(const narrow *k, const float *dy, float *sums)
{
    int pixels = k->c.oh * k->c.ow, p = 0;
    __m512 even = _mm512_setzero_ps(), odd = _mm512_setzero_ps();
    for (; p + 1 < pixels; p += 2) {
        even = _mm512_add_ps(even, _mm512_loadu_ps(dy + p * NARROW_OUT));
        odd = _mm512_add_ps(odd, _mm512_loadu_ps(dy + (p + 1) * NARROW_OUT));
    }
    if (p < pixels) even = _mm512_add_ps(even, _mm512_loadu_ps(dy + p * NARROW_OUT));
    _mm512_store_ps(sums, _mm512_add_ps(_mm512_load_ps(sums), _mm512_add_ps(even, odd)));
}

// Blocks in a span; the last one may overlap the one before, and then both hold the same sums.
static int blocks(const narrow *k) { return (k->span + BLOCK - 1) / BLOCK; }
static int block_start(const narrow *k, int b) { return (b + 1) * BLOCK <= k->span ? b * BLOCK : k->span - BLOCK; }

RL_AVX512 static void backward_range(rl_kernel *kernel, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const narrow *k = (const narrow *)kernel;
    const rl_window *c = &k->c;
    float *sums = k->scratch + thread * k->scratch_len;
    memset(sums, 0, sizeof(float) * (size_t)k->scratch_len);
    for (int64_t n = begin; n < end; n++) {
        const float *dy = op->src[0] + n * c->oh * c->ow * NARROW_OUT, *x = op->src[1] + n * c->ih * c->iw * c->ic;
        float *to = sums;
        for (int i = 0; i < c->kh; i++)
            for (int b = 0; b < blocks(k); b++, to += BLOCK * NARROW_OUT)
                accumulate(k, dy, x + i * c->iw * c->ic + block_start(k, b), to);
        accumulate_bias(k, dy, to);
    }
}

static int backward_run(rl_kernel *kernel, const rl_operands *op)
{
    const narrow *k = (const narrow *)kernel;
    const rl_window *c = &k->c;
    rl_parallel(kernel, op, c->n, 1, backward_range);
    float *sums = k->scratch;
    for (int t = 1; t < kernel->threads; t++)
        for (int64_t i = 0; i < k->scratch_len; i++) sums[i] += sums[t * k->scratch_len + i];
    int taps = c->kh * c->kw;
    for (int i = 0; i < c->kh; i++)
        for (int b = 0; b < blocks(k); b++)
            for (int j = 0; j < BLOCK; j++, sums += NARROW_OUT) {
                int at = block_start(k, b) + j, tap = i * c->kw + at / c->ic;
                for (int o = 0; o < NARROW_OUT; o++) op->dst[0][(o * c->ic + at % c->ic) * taps + tap] = sums[o];
            }
    memcpy(op->dst[1], sums, sizeof(float) * NARROW_OUT);
    return RL_OK;
}

int rl_narrow_backward_weights(const rl_device *d, rl_window c, rl_kernel **out)
{
    narrow *k = rl_own_new(d, sizeof *k, "narrow", backward_run);
    if (!k) return RL_NO_MEMORY;
    k->c = c;
    k->span = c.kw * c.ic;
    k->scratch_len = ((int64_t)c.kh * blocks(k) * BLOCK + 1) * NARROW_OUT;
    k->scratch = rl_own_block(k, (int64_t)sizeof(float) * d->threads * k->scratch_len);
    return rl_own_finish(k, out);
}

#else

int rl_narrow_backward_weights(const rl_device *d, rl_window c, rl_kernel **out)
{
    return rl_plan_conv_backward_weights(d, c, RL_NHWC, out);
}

#endif
