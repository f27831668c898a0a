//go:build onednn

// Convolution of a few channels (6 in LeNet's second) to 16, stride 1, no padding. oneDNN pads the 6 to 16. In NHWC a
// row of one pixel's window is kw*ic contiguous floats; each of them, broadcast, times a vector of 16 output channels
// is one instruction. Two rows of 10 output pixels are in flight: 20 accumulators share each load of weights.

#include "narrow.h"

#if defined(__x86_64__)

// Two rows of NARROW_PIXELS pixels: sums over kh rows of span floats.
RL_AVX512 static void block(const narrow *k, const float *x, const float *bias, float *y)
{
    const int pixels = NARROW_PIXELS;
    int64_t in_row = (int64_t)k->c.iw * k->c.ic, out_row = (int64_t)k->c.ow * NARROW_OUT;
    int step = k->c.ic, span = k->span;
    const float *w = k->packed;
    __m512 a[NARROW_PIXELS], b[NARROW_PIXELS];
#pragma GCC unroll 16
    for (int p = 0; p < pixels; p++) a[p] = b[p] = _mm512_loadu_ps(bias);
    for (int i = 0; i < k->c.kh; i++) {
        const float *top = x + i * in_row, *bottom = top + in_row;
        for (int j = 0; j < span; j++, w += NARROW_OUT) {
            __m512 v = _mm512_load_ps(w);
#pragma GCC unroll 16
            for (int p = 0; p < pixels; p++) {
                a[p] = _mm512_fmadd_ps(v, _mm512_set1_ps(top[j + p * step]), a[p]);
                b[p] = _mm512_fmadd_ps(v, _mm512_set1_ps(bottom[j + p * step]), b[p]);
            }
        }
    }
#pragma GCC unroll 16
    for (int p = 0; p < pixels; p++) {
        _mm512_storeu_ps(y + p * NARROW_OUT, a[p]);
        _mm512_storeu_ps(y + out_row + p * NARROW_OUT, b[p]);
    }
}

RL_AVX512 static void forward_range(rl_kernel *kernel, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const narrow *k = (const narrow *)kernel;
    const rl_window *c = &k->c;
    (void)thread;
    for (int64_t n = begin; n < end; n++) {
        const float *x = op->src[0] + n * c->ih * c->iw * c->ic;
        float *y = op->dst[0] + n * c->oh * c->ow * NARROW_OUT;
        for (int h = 0; h < c->oh; h += 2) {
            int top = h + 2 <= c->oh ? h : c->oh - 2; // what does not divide is done again with its neighbours
            for (int l = 0; l < c->ow; l += NARROW_PIXELS) {
                int left = l + NARROW_PIXELS <= c->ow ? l : c->ow - NARROW_PIXELS;
                block(k, x + (top * c->iw + left) * c->ic, op->src[2], y + (top * c->ow + left) * NARROW_OUT);
            }
        }
    }
}

// packed [kh, kw, ic, 16] of OIHW.
static void pack(const narrow *k, const float *w)
{
    int taps = k->c.kh * k->c.kw;
    for (int tap = 0; tap < taps; tap++)
        for (int i = 0; i < k->c.ic; i++)
            for (int o = 0; o < NARROW_OUT; o++)
                k->packed[(tap * k->c.ic + i) * NARROW_OUT + o] = w[(o * k->c.ic + i) * taps + tap];
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
    k->span = c.kw * c.ic;
    k->packed = rl_own_block(k, (int64_t)sizeof(float) * c.kh * k->span * NARROW_OUT);
    return rl_own_finish(k, out);
}

#else

int rl_narrow_forward(const rl_device *d, rl_window c, rl_kernel **out)
{
    return rl_plan_conv_forward(d, c, RL_NHWC, out);
}

#endif
