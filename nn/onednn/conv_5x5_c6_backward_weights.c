//go:build onednn && cgo

// The weights' gradient of the convolution of 6 channels (see conv_5x5_c6_forward.c). The vector is the 16 output
// channels. For one row of the kernel and three input channels there are 15 accumulators, which stay in registers over
// a whole image; a row of dy (10 vectors) is loaded once for them, and an input pixel, broadcast once, serves up to
// five. An image's sums are then added to the batch's, which also keeps rounding errors small.

#include "conv_5x5_c6.h"

#if defined(__x86_64__)

enum { GROUP = 3, GROUPS = C6_IN / GROUP, SUMS = GROUP * C6_KERNEL_W };

// Products of one image for a kernel row and GROUP channels (x points at the row's and the group's first), added to
// sums [GROUP, kw, 16].
RL_AVX512 static void accumulate(const c6_conv *k, const float *dy, const float *x, float *sums)
{
    __m512 sum[GROUP][C6_KERNEL_W], d[C6_PIXELS];
#pragma GCC unroll 16
    for (int i = 0; i < SUMS; i++) sum[i / C6_KERNEL_W][i % C6_KERNEL_W] = _mm512_setzero_ps();
    for (int h = 0; h < k->c.oh; h++) {
        const float *from = x + (int64_t)h * k->c.iw * C6_IN;
        for (int left = 0; left < k->c.ow; left += C6_PIXELS) {
#pragma GCC unroll 16
            for (int p = 0; p < C6_PIXELS; p++, dy += C6_OUT) {
                d[p] = _mm512_loadu_ps(dy);
                RL_KEEP(d[p]);
            }
#pragma GCC unroll 16
            for (int p = 0; p < C6_PIXELS + C6_KERNEL_W - 1; p++, from += C6_IN) {
#pragma GCC unroll 4
                for (int c = 0; c < GROUP; c++) {
                    __m512 v = _mm512_set1_ps(from[c]);
                    RL_KEEP(v);
#pragma GCC unroll 8
                    for (int j = 0; j < C6_KERNEL_W; j++)
                        if (p - j >= 0 && p - j < C6_PIXELS) sum[c][j] = _mm512_fmadd_ps(v, d[p - j], sum[c][j]);
                }
            }
            from -= (C6_KERNEL_W - 1) * C6_IN;
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < SUMS; i++, sums += C6_OUT)
        _mm512_store_ps(sums, _mm512_add_ps(sum[i / C6_KERNEL_W][i % C6_KERNEL_W], _mm512_load_ps(sums)));
}

RL_AVX512 static void accumulate_bias(const c6_conv *k, const float *dy, float *sums)
{
    int pixels = k->c.oh * k->c.ow, p = 0;
    __m512 even = _mm512_setzero_ps(), odd = _mm512_setzero_ps();
    for (; p + 1 < pixels; p += 2) {
        even = _mm512_add_ps(even, _mm512_loadu_ps(dy + p * C6_OUT));
        odd = _mm512_add_ps(odd, _mm512_loadu_ps(dy + (p + 1) * C6_OUT));
    }
    if (p < pixels) even = _mm512_add_ps(even, _mm512_loadu_ps(dy + p * C6_OUT));
    _mm512_store_ps(sums, _mm512_add_ps(_mm512_load_ps(sums), _mm512_add_ps(even, odd)));
}

// One thread's sums: [kh, GROUPS, GROUP, kw, 16], then the bias's [16].
static int64_t sums_len(const c6_conv *k) { return ((int64_t)k->c.kh * GROUPS * SUMS + 1) * C6_OUT; }

RL_AVX512 static void backward_range(rl_kernel *kernel, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const c6_conv *k = (const c6_conv *)kernel;
    const rl_window *c = &k->c;
    float *sums = k->scratch + thread * sums_len(k);
    memset(sums, 0, sizeof(float) * (size_t)sums_len(k));
    for (int64_t n = begin; n < end; n++) {
        const float *dy = op->src[0] + n * c->oh * c->ow * C6_OUT;
        const float *x = op->src[1] + n * c->ih * c->iw * C6_IN;
        float *to = sums;
        for (int i = 0; i < c->kh; i++)
            for (int g = 0; g < GROUPS; g++, to += SUMS * C6_OUT)
                accumulate(k, dy, x + i * c->iw * C6_IN + g * GROUP, to);
        accumulate_bias(k, dy, to);
    }
}

static int backward_run(rl_kernel *kernel, const rl_operands *op)
{
    const c6_conv *k = (const c6_conv *)kernel;
    int64_t len = sums_len(k);
    int kh = k->c.kh;
    float *sums = k->scratch;
    rl_parallel(kernel, op, k->c.n, 1, backward_range);
    for (int t = 1; t < kernel->threads; t++)
        for (int64_t i = 0; i < len; i++) sums[i] += sums[t * len + i];
    for (int i = 0; i < kh; i++)
        for (int c = 0; c < C6_IN; c++)
            for (int j = 0; j < C6_KERNEL_W; j++, sums += C6_OUT)
                for (int o = 0; o < C6_OUT; o++)
                    op->dst[0][((o * C6_IN + c) * kh + i) * C6_KERNEL_W + j] = sums[o];
    memcpy(op->dst[1], sums, sizeof(float) * C6_OUT);
    return RL_OK;
}

int rl_conv_5x5_c6_backward_weights(const rl_device *d, rl_window c, rl_kernel **out)
{
    c6_conv *k = rl_kernel_new(d, sizeof *k, "conv_5x5_c6", backward_run);
    if (!k) return RL_NO_MEMORY;
    k->c = c;
    k->scratch = rl_kernel_block(k, (int64_t)sizeof(float) * d->threads * sums_len(k));
    return rl_kernel_finish(k, out);
}

#else

int rl_conv_5x5_c6_backward_weights(const rl_device *d, rl_window c, rl_kernel **out)
{
    return rl_plan_conv(d, c, RL_NHWC, RL_BACKWARD_WEIGHTS, out);
}

#endif
