//go:build onednn && cgo

// Convolution with a 1x1 window, stride 1, no padding: a matrix product over the pixels. The weights are packed once a
// run; the image is read and written as it lies in memory. The weights' gradient sums over pixels: each thread
// packs blocks of its pixels of x and dy and adds their products to a sum of its own; the sums are added in the
// threads' order.

#include "conv_gemm.h"
#include "gemm.h"

#include <string.h>

#if defined(__x86_64__)

// Pixels of a block of the weights' gradient: a panel of x, 32 channels, takes half of the first-level cache.
enum { BLOCK = 192 };

typedef struct pointwise {
    rl_kernel_base base;
    rl_window c;
    int64_t pixels;
    int x_panels, y_panels;          // channels in panels
    int64_t x_width, y_width, sums;  // backward weights: rows of packed x and dy, one thread's sums
    // In the arena, set at each run.
    float *packed;                   // weights
    float *x, *dy, *w, *bias;        // backward weights: for each thread
} pointwise;

// One thread's packed x.
static int64_t x_len(const pointwise *k) { return (int64_t)k->x_panels * BLOCK * RL_PANEL; }
static int64_t panels(int channels) { return (channels + RL_PANEL - 1) / RL_PANEL; }

// packed [panel of oc, ic, 32] of w [oc, ic]: units are 16 output channels.
RL_AVX512 static void pack_forward(rl_kernel *kernel, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const pointwise *k = (const pointwise *)kernel;
    const __m512i count = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i rows = _mm512_mullo_epi32(count, _mm512_set1_epi32(k->c.ic));
    (void)thread;
    for (int64_t g = begin; g < end; g++) {
        const float *w = op->src[1] + 16 * g * k->c.ic;
        float *to = k->packed + g / 2 * k->c.ic * RL_PANEL + g % 2 * 16;
        __mmask16 exist = rl_lanes(k->c.oc - 16 * (int)g);
        for (int i = 0; i < k->c.ic; i++, to += RL_PANEL)
            _mm512_store_ps(to, _mm512_mask_i32gather_ps(_mm512_setzero_ps(), exist, rows, w + i, 4));
    }
}

// Rows of a matrix as panels [panel, rows, 32], zeros behind its columns; panel is the distance of panels.
RL_AVX512 static void pack_rows(const float *from, int64_t pitch, int columns, int64_t rows, float *to, int64_t panel)
{
    for (int c = 0; c < columns; c += RL_PANEL, to += panel) {
        __mmask16 first = rl_lanes(columns - c), second = rl_lanes(columns - c - 16);
        for (int64_t i = 0; i < rows; i++) {
            _mm512_store_ps(to + i * RL_PANEL, _mm512_maskz_loadu_ps(first, from + i * pitch + c));
            _mm512_store_ps(to + i * RL_PANEL + 16, _mm512_maskz_loadu_ps(second, from + i * pitch + c + 16));
        }
    }
}

static void forward_range(rl_kernel *kernel, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const pointwise *k = (const pointwise *)kernel;
    (void)thread;
    if (begin == end) return;
    rl_gemm g = {
        .m = (int)(end - begin), .n = k->c.oc, .k = k->c.ic, .relu = k->c.relu,
        .a = op->src[0] + begin * k->c.ic, .lda = k->c.ic,
        .b = k->packed, .panel = (int64_t)k->c.ic * RL_PANEL,
        .c = op->dst[0] + begin * k->c.pitch, .ldc = k->c.pitch,
        .bias = k->c.no_bias ? NULL : op->src[2],
    };
    rl_gemm_run(&g);
}

static int forward_run(rl_kernel *kernel, const rl_operands *op)
{
    pointwise *k = (pointwise *)kernel;
    k->packed = k->base.arena->data;
    rl_parallel(kernel, op, (k->c.oc + 15) / 16, 1, pack_forward);
    rl_parallel(kernel, op, k->pixels, RL_TILE_ROWS, forward_range);
    return RL_OK;
}

static void backward_data_range(rl_kernel *kernel, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const pointwise *k = (const pointwise *)kernel;
    (void)thread;
    if (begin == end) return;
    rl_gemm g = {
        .m = (int)(end - begin), .n = k->c.ic, .k = k->c.oc, .accumulate = k->c.accumulate,
        .a = op->src[0] + begin * k->c.pitch, .lda = k->c.pitch,
        .b = k->packed, .panel = (int64_t)k->c.oc * RL_PANEL,
        .c = op->dst[0] + begin * k->c.ic, .ldc = k->c.ic,
        .mask = k->c.mask ? op->src[2] + begin * k->c.ic : NULL,
    };
    rl_gemm_run(&g);
}

static int backward_data_run(rl_kernel *kernel, const rl_operands *op)
{
    pointwise *k = (pointwise *)kernel;
    k->packed = k->base.arena->data;
    pack_rows(op->src[1], k->c.ic, k->c.ic, k->c.oc, k->packed, (int64_t)k->c.oc * RL_PANEL);
    rl_parallel(kernel, op, k->pixels, RL_TILE_ROWS, backward_data_range);
    return RL_OK;
}

// Copies a block's rows of dy, whose pitch may be one that the cache maps to few places, and adds them to bias.
RL_AVX512 static void pack_gradient(const pointwise *k, const float *dy, int64_t rows, float *to, float *bias)
{
    for (int c = 0; c < k->c.oc; c += 16) {
        __mmask16 exist = rl_lanes(k->c.oc - c);
        __m512 sum = _mm512_load_ps(bias + c);
        for (int64_t i = 0; i < rows; i++) {
            __m512 v = _mm512_maskz_loadu_ps(exist, dy + i * k->c.pitch + c);
            _mm512_store_ps(to + i * k->y_width + c, v);
            sum = _mm512_add_ps(sum, v);
        }
        _mm512_store_ps(bias + c, sum);
    }
}

static void backward_weights_range(rl_kernel *kernel, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const pointwise *k = (const pointwise *)kernel;
    float *x = k->x + thread * x_len(k), *dy = k->dy + thread * BLOCK * k->y_width;
    float *w = k->w + thread * k->sums, *bias = k->bias + thread * k->y_width;
    memset(bias, 0, sizeof(float) * (size_t)k->y_width);
    if (begin == end) memset(w, 0, sizeof(float) * (size_t)k->sums);
    for (int64_t from = begin; from < end; from += BLOCK) {
        int64_t rows = end - from < BLOCK ? end - from : BLOCK;
        pack_gradient(k, op->src[0] + from * k->c.pitch, rows, dy, bias);
        pack_rows(op->src[1] + from * k->c.ic, k->c.ic, k->c.ic, rows, x, BLOCK * RL_PANEL);
        rl_gemm g = {
            .m = k->c.oc, .n = (int)k->x_width, .k = (int)rows, .a_by_columns = 1, .accumulate = from > begin,
            .a = dy, .lda = k->y_width, .b = x, .panel = BLOCK * RL_PANEL, .c = w, .ldc = k->x_width,
        };
        rl_gemm_run(&g);
    }
}

static void add_sums(rl_kernel *kernel, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const pointwise *k = (const pointwise *)kernel;
    (void)thread;
    for (int64_t o = begin; o < end; o++) {
        float *to = op->dst[0] + o * k->c.ic;
        memcpy(to, k->w + o * k->x_width, sizeof(float) * (size_t)k->c.ic);
        for (int t = 1; t < kernel->threads; t++) {
            const float *from = k->w + t * k->sums + o * k->x_width;
            for (int i = 0; i < k->c.ic; i++) to[i] += from[i];
        }
        if (k->c.no_bias) continue;
        float sum = 0;
        for (int t = 0; t < kernel->threads; t++) sum += k->bias[t * k->y_width + o];
        op->dst[1][o] = sum;
    }
}

static int backward_weights_run(rl_kernel *kernel, const rl_operands *op)
{
    pointwise *k = (pointwise *)kernel;
    k->x = k->base.arena->data;
    k->dy = k->x + kernel->threads * x_len(k);
    k->w = k->dy + kernel->threads * BLOCK * k->y_width;
    k->bias = k->w + kernel->threads * k->sums;
    rl_parallel(kernel, op, k->pixels, 16, backward_weights_range);
    rl_parallel(kernel, op, k->c.oc, 1, add_sums);
    return RL_OK;
}

static pointwise *create(const rl_device *d, rl_window c, int (*run)(rl_kernel *, const rl_operands *))
{
    pointwise *k = rl_kernel_new(d, sizeof *k, "pointwise", run);
    if (!k) return NULL;
    k->c = c;
    k->pixels = (int64_t)c.n * c.oh * c.ow;
    k->x_panels = panels(c.ic);
    k->y_panels = panels(c.oc);
    return k;
}

int rl_pointwise_forward(const rl_device *d, rl_window c, rl_kernel **out)
{
    pointwise *k = create(d, c, forward_run);
    if (!k) return RL_NO_MEMORY;
    rl_kernel_share(k, (int64_t)sizeof(float) * k->y_panels * c.ic * RL_PANEL);
    return rl_kernel_finish(k, out);
}

int rl_pointwise_backward_data(const rl_device *d, rl_window c, rl_kernel **out)
{
    pointwise *k = create(d, c, backward_data_run);
    if (!k) return RL_NO_MEMORY;
    rl_kernel_share(k, (int64_t)sizeof(float) * k->x_panels * c.oc * RL_PANEL);
    return rl_kernel_finish(k, out);
}

int rl_pointwise_backward_weights(const rl_device *d, rl_window c, rl_kernel **out)
{
    pointwise *k = create(d, c, backward_weights_run);
    if (!k) return RL_NO_MEMORY;
    int64_t one = (int64_t)sizeof(float) * d->threads;
    k->x_width = (c.ic + 15) / 16 * 16;
    k->y_width = rl_odd_lines(c.oc);
    k->sums = c.oc * k->x_width;
    rl_kernel_share(k, one * (x_len(k) + BLOCK * k->y_width + k->sums + k->y_width));
    return rl_kernel_finish(k, out);
}

#endif
