//go:build onednn && cgo

// Convolution of one channel to 6, with a window 5 wide and stride 1: LeNet's first. oneDNN pads the channels to
// 16. Here the vector runs over 16 pixels of a row instead: for each channel an accumulator, and per tap of the kernel
// one load of pixels that all channels share. Two rows of 32 pixels are in flight (24 accumulators), and the planes
// are interleaved to NHWC in registers before they are stored.

#include "conv_5x5_c1.h"

#if defined(__x86_64__)

enum { ROWS = 2, VECTORS = 2 };

// Stores 16 pixels of all channels, of which the first count exist.
RL_AVX512 RL_INLINE void store_pixels(const c1_conv *g, float *y, const __m512 *planes, int count, const int channels)
{
#pragma GCC unroll 8
    for (int v = 0; v < channels; v++)
        _mm512_mask_storeu_ps(y + v * 16, count >= 16 ? 0xffff : rl_lanes_below(count * channels, v),
                              rl_transpose_vector(g->transpose, planes, channels, v));
}

// 32 pixels of two rows. x is the window's first pixel in the padded image; count pixels are stored.
RL_AVX512 RL_INLINE void block(const c1_conv *g, const float *x, const float *w, const float *bias, float *y, int count,
                               const int channels)
{
    __m512 sum[ROWS][VECTORS][C1_CHANNELS];
    int taps = g->c.kh * g->c.kw, row = g->c.ow * channels;
#pragma GCC unroll 8
    for (int o = 0; o < channels; o++)
        sum[0][0][o] = sum[0][1][o] = sum[1][0][o] = sum[1][1][o] = _mm512_set1_ps(bias[o]);
    for (int i = 0; i < g->c.kh; i++) {
        for (int j = 0; j < g->c.kw; j++) {
            const float *p = x + i * g->padded_w + j, *tap = w + i * g->c.kw + j;
            __m512 a = _mm512_loadu_ps(p), b = _mm512_loadu_ps(p + 16);
            p += g->padded_w;
            __m512 c = _mm512_loadu_ps(p), d = _mm512_loadu_ps(p + 16);
#pragma GCC unroll 8
            for (int o = 0; o < channels; o++) {
                __m512 k = _mm512_set1_ps(tap[o * taps]);
                sum[0][0][o] = _mm512_fmadd_ps(a, k, sum[0][0][o]);
                sum[0][1][o] = _mm512_fmadd_ps(b, k, sum[0][1][o]);
                sum[1][0][o] = _mm512_fmadd_ps(c, k, sum[1][0][o]);
                sum[1][1][o] = _mm512_fmadd_ps(d, k, sum[1][1][o]);
            }
        }
    }
    store_pixels(g, y, sum[0][0], count, channels);
    store_pixels(g, y + 16 * channels, sum[0][1], count - 16, channels);
    store_pixels(g, y + row, sum[1][0], count, channels);
    store_pixels(g, y + row + 16 * channels, sum[1][1], count - 16, channels);
}

RL_AVX512 static void forward_range(rl_kernel *k, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const c1_conv *g = (const c1_conv *)k;
    for (int64_t n = begin; n < end; n++) {
        const float *x = c1_pad(g, op->src[0], n, thread);
        float *y = op->dst[0] + n * g->c.oh * g->c.ow * C1_CHANNELS;
        for (int h = 0; h < g->c.oh; h += ROWS) {
            int top = h + ROWS <= g->c.oh ? h : g->c.oh - ROWS; // an odd last row is done with its neighbour again
            for (int left = 0; left < g->c.ow; left += 32)
                block(g, x + top * g->padded_w + left, op->src[1], op->src[2],
                      y + (top * g->c.ow + left) * C1_CHANNELS, g->c.ow - left, C1_CHANNELS);
        }
    }
}

static int forward_run(rl_kernel *k, const rl_operands *op)
{
    rl_parallel(k, op, ((c1_conv *)k)->c.n, 1, forward_range);
    return RL_OK;
}

int rl_conv_5x5_c1_forward(const rl_device *d, rl_window c, rl_kernel **out)
{
    c1_conv *g = rl_kernel_new(d, sizeof *g, "conv_5x5_c1", forward_run);
    if (!g) return RL_NO_MEMORY;
    c1_init(g, d, c, 0);
    return rl_kernel_finish(g, out);
}

#else

int rl_conv_5x5_c1_forward(const rl_device *d, rl_window c, rl_kernel **out)
{
    return rl_plan_conv(d, c, RL_NHWC, RL_FORWARD, out);
}

#endif
