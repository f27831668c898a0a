//go:build onednn && cgo

// The weights' gradient of the convolution of one channel (see conv_5x5_c1_forward.c). The output's gradient is split
// into planes of one channel; then the vector runs over 16 pixels of a row, with one accumulator per channel and tap: 6
// channels times 4 taps at a time, in registers over a whole image. Lanes are added up once, at the end.

#include "conv_5x5_c1.h"

#if defined(__x86_64__)

enum { TAPS = 4 };

// Splits image n of dy into the thread's planes and adds up the bias's gradient by lanes.
RL_AVX512 static float *split(const c1_conv *g, const float *dy, int64_t n, int thread, float *bias)
{
    int width = c1_round_up(g->c.ow, 16), row = g->c.ow * C1_CHANNELS;
    int64_t plane = (int64_t)g->c.oh * width;
    float *planes = g->planes + thread * plane * C1_CHANNELS;
    __m512 sum[C1_CHANNELS], in[C1_CHANNELS];
    __mmask16 tail[C1_CHANNELS];
#pragma GCC unroll 8
    for (int v = 0; v < C1_CHANNELS; v++) tail[v] = rl_lanes_below(g->c.ow % 16 * C1_CHANNELS, v);
#pragma GCC unroll 8
    for (int o = 0; o < C1_CHANNELS; o++) sum[o] = _mm512_load_ps(bias + o * 16);
    for (int y = 0; y < g->c.oh; y++) {
        const float *from = dy + (n * g->c.oh + y) * row;
        for (int x = 0; x < width; x += 16) {
#pragma GCC unroll 8
            for (int v = 0; v < C1_CHANNELS; v++)
                in[v] = _mm512_maskz_loadu_ps(x + 16 <= g->c.ow ? 0xffff : tail[v], from + x * C1_CHANNELS + v * 16);
#pragma GCC unroll 8
            for (int o = 0; o < C1_CHANNELS; o++) {
                __m512 p = rl_transpose_vector(g->transpose, in, C1_CHANNELS, o);
                _mm512_store_ps(planes + o * plane + y * width + x, p);
                sum[o] = _mm512_add_ps(sum[o], p);
            }
        }
    }
#pragma GCC unroll 8
    for (int o = 0; o < C1_CHANNELS; o++) _mm512_store_ps(bias + o * 16, sum[o]);
    return planes;
}

// Adds the image's products for count taps from tap on to their sums [count, channels, 16].
RL_AVX512 RL_INLINE void accumulate(const c1_conv *g, const float *x, const float *planes, float *sums, int tap,
                                    const int count)
{
    int width = c1_round_up(g->c.ow, 16);
    int64_t plane = (int64_t)g->c.oh * width, at[TAPS];
    __m512 sum[TAPS][C1_CHANNELS];
#pragma GCC unroll 4
    for (int j = 0; j < count; j++) {
        at[j] = (int64_t)((tap + j) / C1_KERNEL_W) * g->padded_w + (tap + j) % C1_KERNEL_W;
#pragma GCC unroll 8
        for (int o = 0; o < C1_CHANNELS; o++) sum[j][o] = _mm512_setzero_ps();
    }
    for (int y = 0; y < g->c.oh; y++, x += g->padded_w) {
        for (int i = 0; i < width; i += 16, planes += 16) {
            __m512 dy[C1_CHANNELS];
#pragma GCC unroll 8
            for (int o = 0; o < C1_CHANNELS; o++) {
                dy[o] = _mm512_load_ps(planes + o * plane);
                RL_KEEP(dy[o]);
            }
#pragma GCC unroll 4
            for (int j = 0; j < count; j++) {
                __m512 v = _mm512_loadu_ps(x + at[j] + i);
                RL_KEEP(v);
#pragma GCC unroll 8
                for (int o = 0; o < C1_CHANNELS; o++) sum[j][o] = _mm512_fmadd_ps(dy[o], v, sum[j][o]);
            }
        }
    }
    // One image's sums at a time join the batch's: rounding errors stay small.
#pragma GCC unroll 4
    for (int j = 0; j < count; j++)
#pragma GCC unroll 8
        for (int o = 0; o < C1_CHANNELS; o++, sums += 16)
            _mm512_store_ps(sums, _mm512_add_ps(sum[j][o], _mm512_load_ps(sums)));
}

static int64_t sums_len(const c1_conv *g) { return (int64_t)g->c.kh * C1_CHANNELS * C1_KERNEL_W * 16; }

RL_AVX512 static void backward_range(rl_kernel *k, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const c1_conv *g = (const c1_conv *)k;
    int64_t len = sums_len(g);
    float *sums = g->sums + thread * (len + C1_CHANNELS * 16), *bias = sums + len;
    memset(sums, 0, sizeof(float) * (size_t)(len + C1_CHANNELS * 16));
    for (int64_t n = begin; n < end; n++) {
        const float *x = c1_pad(g, op->src[1], n, thread);
        const float *planes = split(g, op->src[0], n, thread, bias);
        int taps = g->c.kh * C1_KERNEL_W, tap = 0;
        for (; tap + TAPS <= taps; tap += TAPS)
            accumulate(g, x, planes, sums + tap * C1_CHANNELS * 16, tap, TAPS);
        for (; tap < taps; tap++) accumulate(g, x, planes, sums + tap * C1_CHANNELS * 16, tap, 1);
    }
}

// Adds lanes, then threads, in their order.
static float total(const float *lanes, int64_t thread_stride, int threads)
{
    float sum = 0;
    for (int t = 0; t < threads; t++)
        for (int i = 0; i < 16; i++) sum += lanes[t * thread_stride + i];
    return sum;
}

static int backward_run(rl_kernel *k, const rl_operands *op)
{
    const c1_conv *g = (const c1_conv *)k;
    rl_parallel(k, op, g->c.n, 1, backward_range);
    int64_t len = sums_len(g), stride = len + C1_CHANNELS * 16;
    float *dw = op->dst[0];
    for (int o = 0; o < C1_CHANNELS; o++)
        for (int tap = 0; tap < g->c.kh * C1_KERNEL_W; tap++)
            *dw++ = total(g->sums + (tap * C1_CHANNELS + o) * 16, stride, k->threads);
    for (int o = 0; o < C1_CHANNELS; o++) op->dst[1][o] = total(g->sums + len + o * 16, stride, k->threads);
    return RL_OK;
}

int rl_conv_5x5_c1_backward_weights(const rl_device *d, rl_window c, rl_kernel **out)
{
    c1_conv *g = rl_kernel_new(d, sizeof *g, "conv_5x5_c1", backward_run);
    if (!g) return RL_NO_MEMORY;
    c1_init(g, d, c, 1);
    int64_t planes = (int64_t)C1_CHANNELS * c.oh * c1_round_up(c.ow, 16);
    g->planes = rl_kernel_block(g, (int64_t)sizeof(float) * d->threads * planes);
    g->sums = rl_kernel_block(g, (int64_t)sizeof(float) * d->threads * (sums_len(g) + C1_CHANNELS * 16));
    return rl_kernel_finish(g, out);
}

#else

int rl_conv_5x5_c1_backward_weights(const rl_device *d, rl_window c, rl_kernel **out)
{
    return rl_plan_conv(d, c, RL_NHWC, RL_BACKWARD_WEIGHTS, out);
}

#endif
