//go:build onednn && cgo

// Convolution of 6 channels to 16 with a window 5 wide, stride 1, no padding: LeNet's second. oneDNN pads the 6 to 16.
// Here the vector is the 16 output channels, and two rows of 10 output pixels are in flight (20 accumulators). For one
// input channel and kernel row, five vectors of weights stay in registers, and each input pixel, broadcast once, serves
// the up to five output pixels whose windows cover it: a load for three multiply-adds.

#include "narrow.h"

#if defined(__x86_64__)

// One row of the window for one input channel: y[p] += sum over j of x[p + j] w[j].
RL_AVX512 RL_INLINE void row(__m512 *y, const float *x, const __m512 *w)
{
#pragma GCC unroll 16
    for (int p = 0; p < NARROW_PIXELS + NARROW_KERNEL_W - 1; p++) {
        __m512 v = _mm512_set1_ps(x[p * NARROW_IN]);
        RL_KEEP(v);
#pragma GCC unroll 8
        for (int j = 0; j < NARROW_KERNEL_W; j++)
            if (p - j >= 0 && p - j < NARROW_PIXELS) y[p - j] = _mm512_fmadd_ps(v, w[j], y[p - j]);
    }
}

// Two rows of NARROW_PIXELS pixels.
RL_AVX512 static void block(const narrow *k, const float *x, const float *bias, float *y)
{
    int64_t in_row = (int64_t)k->c.iw * NARROW_IN, out_row = (int64_t)k->c.ow * NARROW_OUT;
    const float *packed = k->packed;
    __m512 top[NARROW_PIXELS], bottom[NARROW_PIXELS], w[NARROW_KERNEL_W];
#pragma GCC unroll 16
    for (int p = 0; p < NARROW_PIXELS; p++) top[p] = bottom[p] = _mm512_loadu_ps(bias);
    for (int i = 0; i < k->c.kh; i++, x += in_row) {
        for (int c = 0; c < NARROW_IN; c++, packed += NARROW_KERNEL_W * NARROW_OUT) {
#pragma GCC unroll 8
            for (int j = 0; j < NARROW_KERNEL_W; j++) {
                w[j] = _mm512_load_ps(packed + j * NARROW_OUT);
                RL_KEEP(w[j]);
            }
            row(top, x + c, w);
            row(bottom, x + in_row + c, w);
        }
    }
#pragma GCC unroll 16
    for (int p = 0; p < NARROW_PIXELS; p++) {
        _mm512_storeu_ps(y + p * NARROW_OUT, top[p]);
        _mm512_storeu_ps(y + out_row + p * NARROW_OUT, bottom[p]);
    }
}

RL_AVX512 static void forward_range(rl_kernel *kernel, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const narrow *k = (const narrow *)kernel;
    const rl_window *c = &k->c;
    (void)thread;
    for (int64_t n = begin; n < end; n++) {
        const float *x = op->src[0] + n * c->ih * c->iw * NARROW_IN;
        float *y = op->dst[0] + n * c->oh * c->ow * NARROW_OUT;
        for (int h = 0; h < c->oh; h += 2) {
            int top = h + 2 <= c->oh ? h : c->oh - 2; // an odd last row is done with its neighbour again
            for (int left = 0; left < c->ow; left += NARROW_PIXELS)
                block(k, x + (top * c->iw + left) * NARROW_IN, op->src[2], y + (top * c->ow + left) * NARROW_OUT);
        }
    }
}

// packed [kh, ic, kw, 16] of OIHW.
static void pack(const narrow *k, const float *w)
{
    int taps = k->c.kh * NARROW_KERNEL_W;
    float *to = k->packed;
    for (int i = 0; i < k->c.kh; i++)
        for (int c = 0; c < NARROW_IN; c++)
            for (int j = 0; j < NARROW_KERNEL_W; j++)
                for (int o = 0; o < NARROW_OUT; o++)
                    *to++ = w[(o * NARROW_IN + c) * taps + i * NARROW_KERNEL_W + j];
}

static int forward_run(rl_kernel *kernel, const rl_operands *op)
{
    const narrow *k = (const narrow *)kernel;
    pack(k, op->src[1]);
    rl_parallel(kernel, op, k->c.n, 1, forward_range);
    return RL_OK;
}

int rl_narrow_forward(const rl_device *d, rl_window c, rl_kernel **out)
{
    narrow *k = rl_own_new(d, sizeof *k, "narrow", forward_run);
    if (!k) return RL_NO_MEMORY;
    k->c = c;
    k->packed = rl_own_block(k, (int64_t)sizeof(float) * c.kh * NARROW_SPAN * NARROW_OUT);
    return rl_own_finish(k, out);
}

#else

int rl_narrow_forward(const rl_device *d, rl_window c, rl_kernel **out)
{
    return rl_plan_conv(d, c, RL_NHWC, RL_FORWARD, out);
}

#endif
