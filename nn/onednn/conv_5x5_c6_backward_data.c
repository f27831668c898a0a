//go:build onednn && cgo

// The input's gradient of the convolution of 6 channels (see conv_5x5_c6_forward.c). An output pixel spreads its
// gradient, in each row that its window covers, over kw*ic = 30 contiguous floats: two vectors. For one input row, each
// of 10 output pixels of a row gathers those two vectors over kh rows and 16 channels (20 accumulators); at the end the
// overlapping spans are added. Spans of pixels that are kw apart do not overlap, so they are first stored to kw
// separate rows, and the rows are added: no store is read back in another alignment before it has drained.

#include "conv_5x5_c6.h"

#if defined(__x86_64__)

// The rows that spans are stored to: [2, kw, row], of which one half is filled while the other is added up.
static int64_t row_len(const c6_conv *k) { return ((int64_t)k->c.iw * C6_IN + 47) / 16 * 16; }

// Spans of C6_PIXELS output pixels from ow = left, for input row h, into rows.
RL_AVX512 static void spread(const c6_conv *k, const float *dy, int h, int left, float *rows)
{
    int first = h - k->c.kh + 1 > 0 ? h - k->c.kh + 1 : 0, last = h < k->c.oh - 1 ? h : k->c.oh - 1;
    __m512 a[C6_PIXELS], b[C6_PIXELS];
#pragma GCC unroll 16
    for (int p = 0; p < C6_PIXELS; p++) a[p] = b[p] = _mm512_setzero_ps();
    for (int oh = first; oh <= last; oh++) {
        const float *d = dy + ((int64_t)oh * k->c.ow + left) * C6_OUT;
        const float *w = k->packed + (int64_t)(h - oh) * C6_OUT * 32;
        for (int o = 0; o < C6_OUT; o++, d++, w += 32) {
            __m512 wa = _mm512_load_ps(w), wb = _mm512_load_ps(w + 16);
#pragma GCC unroll 16
            for (int p = 0; p < C6_PIXELS; p++) {
                __m512 v = _mm512_set1_ps(d[p * C6_OUT]);
                RL_KEEP(v);
                a[p] = _mm512_fmadd_ps(v, wa, a[p]);
                b[p] = _mm512_fmadd_ps(v, wb, b[p]);
            }
        }
    }
    int64_t len = row_len(k);
    __mmask16 tail = (1u << (C6_SPAN - 16)) - 1;
#pragma GCC unroll 16
    for (int p = 0; p < C6_PIXELS; p++) {
        float *to = rows + p % C6_KERNEL_W * len + (left + p) * C6_IN; // left is a multiple of kw
        _mm512_storeu_ps(to, a[p]);
        _mm512_mask_storeu_ps(to + 16, tail, b[p]);
    }
}

// dx = sum of the kw rows.
RL_AVX512 static void gather(const c6_conv *k, const float *rows, float *dx)
{
    int n = k->c.iw * C6_IN;
    int64_t len = row_len(k);
    for (int i = 0; i < n; i += 16) {
        __m512 sum = _mm512_load_ps(rows + i);
        for (int r = 1; r < C6_KERNEL_W; r++) sum = _mm512_add_ps(sum, _mm512_load_ps(rows + r * len + i));
        _mm512_mask_storeu_ps(dx + i, n - i >= 16 ? 0xffff : (__mmask16)((1u << (n - i)) - 1), sum);
    }
}

RL_AVX512 static void backward_range(rl_kernel *kernel, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const c6_conv *k = (const c6_conv *)kernel;
    const rl_window *c = &k->c;
    int64_t half = row_len(k) * C6_KERNEL_W, in_row = (int64_t)c->iw * C6_IN;
    float *rows = k->scratch + thread * 2 * half;
    for (int64_t n = begin; n < end; n++) {
        const float *dy = op->src[0] + n * c->oh * c->ow * C6_OUT;
        float *dx = op->dst[0] + n * c->ih * in_row;
        for (int h = 0; h < c->ih; h++) {
            for (int l = 0; l < c->ow; l += C6_PIXELS)
                spread(k, dy, h, l, rows + h % 2 * half);
            if (h > 0) gather(k, rows + (h - 1) % 2 * half, dx + (h - 1) * in_row);
        }
        gather(k, rows + (c->ih - 1) % 2 * half, dx + (c->ih - 1) * in_row);
    }
}

// packed [kh, 16, 32] of OIHW: the span of each row and output channel, padded with zeros.
static void pack(const c6_conv *k, const float *w)
{
    int taps = k->c.kh * C6_KERNEL_W;
    for (int i = 0; i < k->c.kh; i++)
        for (int o = 0; o < C6_OUT; o++)
            for (int j = 0; j < C6_SPAN; j++)
                k->packed[(i * C6_OUT + o) * 32 + j] =
                    w[(o * C6_IN + j % C6_IN) * taps + i * C6_KERNEL_W + j / C6_IN];
}

static int backward_run(rl_kernel *kernel, const rl_operands *op)
{
    const c6_conv *k = (const c6_conv *)kernel;
    pack(k, op->src[1]);
    rl_parallel(kernel, op, k->c.n, 1, backward_range);
    return RL_OK;
}

int rl_conv_5x5_c6_backward_data(const rl_device *d, rl_window c, rl_kernel **out)
{
    c6_conv *k = rl_kernel_new(d, sizeof *k, "conv_5x5_c6", backward_run);
    if (!k) return RL_NO_MEMORY;
    k->c = c;
    k->packed = rl_kernel_block(k, (int64_t)sizeof(float) * c.kh * C6_OUT * 32);
    k->scratch = rl_kernel_block(k, (int64_t)sizeof(float) * d->threads * 2 * C6_KERNEL_W * row_len(k));
    return rl_kernel_finish(k, out);
}

#else

int rl_conv_5x5_c6_backward_data(const rl_device *d, rl_window c, rl_kernel **out)
{
    return rl_plan_conv(d, c, RL_NHWC, RL_BACKWARD_DATA, out);
}

#endif
