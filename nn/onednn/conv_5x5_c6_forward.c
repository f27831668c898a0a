//go:build onednn && cgo

// Convolution of 6 channels to 16 with a window 5 wide, stride 1, no padding: LeNet's second. oneDNN pads the 6 to 16.
// Here the vector is the 16 output channels, and two rows of 10 output pixels are in flight (20 accumulators). For one
// input channel and kernel row, five vectors of weights stay in registers, and each input pixel, broadcast once, serves
// the up to five output pixels whose windows cover it: a load for three multiply-adds.

#include "conv_5x5_c6.h"

#if defined(__x86_64__)

// One row of the window for one input channel: y[p] += sum over j of x[p + j] w[j].
RL_AVX512 RL_INLINE void row(__m512 *y, const float *x, const __m512 *w)
{
#pragma GCC unroll 16
    for (int p = 0; p < C6_PIXELS + C6_KERNEL_W - 1; p++) {
        __m512 v = _mm512_set1_ps(x[p * C6_IN]);
        RL_KEEP(v);
#pragma GCC unroll 8
        for (int j = 0; j < C6_KERNEL_W; j++)
            if (p - j >= 0 && p - j < C6_PIXELS) y[p - j] = _mm512_fmadd_ps(v, w[j], y[p - j]);
    }
}

// Two rows of C6_PIXELS pixels.
RL_AVX512 static void block(const c6_conv *k, const float *x, const float *bias, float *y)
{
    int64_t in_row = (int64_t)k->c.iw * C6_IN, out_row = (int64_t)k->c.ow * C6_OUT;
    const float *packed = k->packed;
    __m512 top[C6_PIXELS], bottom[C6_PIXELS], w[C6_KERNEL_W];
#pragma GCC unroll 16
    for (int p = 0; p < C6_PIXELS; p++) top[p] = bottom[p] = _mm512_loadu_ps(bias);
    for (int i = 0; i < k->c.kh; i++, x += in_row) {
        for (int c = 0; c < C6_IN; c++, packed += C6_KERNEL_W * C6_OUT) {
#pragma GCC unroll 8
            for (int j = 0; j < C6_KERNEL_W; j++) {
                w[j] = _mm512_load_ps(packed + j * C6_OUT);
                RL_KEEP(w[j]);
            }
            row(top, x + c, w);
            row(bottom, x + in_row + c, w);
        }
    }
#pragma GCC unroll 16
    for (int p = 0; p < C6_PIXELS; p++) {
        _mm512_storeu_ps(y + p * C6_OUT, top[p]);
        _mm512_storeu_ps(y + out_row + p * C6_OUT, bottom[p]);
    }
}

RL_AVX512 static void forward_range(rl_kernel *kernel, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const c6_conv *k = (const c6_conv *)kernel;
    const rl_window *c = &k->c;
    (void)thread;
    for (int64_t n = begin; n < end; n++) {
        const float *x = op->src[0] + n * c->ih * c->iw * C6_IN;
        float *y = op->dst[0] + n * c->oh * c->ow * C6_OUT;
        for (int h = 0; h < c->oh; h += 2) {
            int top = h + 2 <= c->oh ? h : c->oh - 2; // an odd last row is done with its neighbour again
            for (int left = 0; left < c->ow; left += C6_PIXELS)
                block(k, x + (top * c->iw + left) * C6_IN, op->src[2], y + (top * c->ow + left) * C6_OUT);
        }
    }
}

// packed [kh, ic, kw, 16] of OIHW.
static void pack(const c6_conv *k, const float *w)
{
    int taps = k->c.kh * C6_KERNEL_W;
    float *to = k->packed;
    for (int i = 0; i < k->c.kh; i++)
        for (int c = 0; c < C6_IN; c++)
            for (int j = 0; j < C6_KERNEL_W; j++)
                for (int o = 0; o < C6_OUT; o++)
                    *to++ = w[(o * C6_IN + c) * taps + i * C6_KERNEL_W + j];
}

static int forward_run(rl_kernel *kernel, const rl_operands *op)
{
    const c6_conv *k = (const c6_conv *)kernel;
    pack(k, op->src[1]);
    rl_parallel(kernel, op, k->c.n, 1, forward_range);
    return RL_OK;
}

int rl_conv_5x5_c6_forward(const rl_device *d, rl_window c, rl_kernel **out)
{
    c6_conv *k = rl_kernel_new(d, sizeof *k, "conv_5x5_c6", forward_run);
    if (!k) return RL_NO_MEMORY;
    k->c = c;
    k->packed = rl_kernel_block(k, (int64_t)sizeof(float) * c.kh * C6_SPAN * C6_OUT);
    return rl_kernel_finish(k, out);
}

#else

int rl_conv_5x5_c6_forward(const rl_device *d, rl_window c, rl_kernel **out)
{
    return rl_plan_conv(d, c, RL_NHWC, RL_FORWARD, out);
}

#endif
