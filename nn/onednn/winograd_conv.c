//go:build onednn && cgo

// Winograd convolution, forward and backward data (which is a forward convolution of dy with the kernel turned by half
// and its channels exchanged). A block of tiles is transformed, multiplied point by point, and transformed back before
// the next, so that what lies in between stays in the caches. With few channels each thread has blocks of its own,
// which fit its second-level cache; with many, the transformed weights are what is large, and the threads share a
// block: they split its points, so that each reads its part of the weights once.

#include "winograd.h"

#if defined(__x86_64__)

typedef struct image {
    int n, h, w, c, pitch;
} image;

typedef struct conv {
    rl_kernel_base base;
    const rl_winograd *f;
    image in, out;
    int pad_h, pad_w, backward, relu, accumulate, mask, bias;
    int alpha, points, tiles_h, tiles_w, panels;
    int64_t tiles;
    int shared;                                      // the threads work on one block
    int64_t block;                                   // tiles worked on together
    int64_t in_width, out_width;                     // elements of a tile's row in v and m
    int64_t v_stride, m_stride, u_stride;            // from point to point
    int64_t begin, now;                              // first tile and tiles of the current block, where it is shared
    int64_t u_len, v_len, m_len;                     // elements, all threads'
    float *u, *v, *m;                                // transformed weights, inputs and results; set at each run
} conv;

static void transform_weights(rl_kernel *kernel, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const conv *k = (const conv *)kernel;
    const float *w = op->src[1];
    int64_t taps = k->f->r * k->f->r, of = taps, lane = k->in.c * taps;
    (void)thread;
    if (k->backward) of = k->out.c * taps, lane = taps; // weights [in, out, r, r]
    // 16 outputs at a time; of is the distance of inputs.
    for (int64_t g = begin; g < end; g++) {
        __mmask16 lanes = rl_lanes(k->out.c - 16 * (int)g);
        float *u = k->u + g / 2 * k->in.c * RL_PANEL + g % 2 * 16;
        for (int64_t i = 0; i < k->in.c; i++)
            k->f->weights(w + 16 * g * lane + i * of, lane, lanes, k->backward, u + i * RL_PANEL, k->u_stride);
    }
}

static void transform_input(const conv *k, const rl_operands *op, int64_t begin, int64_t end, float *v)
{
    int64_t per_image = (int64_t)k->tiles_h * k->tiles_w;
    rl_tile t = { .row = (int64_t)k->in.w * k->in.pitch, .pixel = k->in.pitch };
    for (int64_t i = begin; i < end; i++, v += k->in_width) {
        int64_t n = i / per_image, at = i % per_image;
        int top = (int)(at / k->tiles_w) * k->f->m - k->pad_h, left = (int)(at % k->tiles_w) * k->f->m - k->pad_w;
        t.top = top < 0 ? -top : 0;
        t.left = left < 0 ? -left : 0;
        t.bottom = k->in.h - top < k->alpha ? k->in.h - top : k->alpha;
        t.right = k->in.w - left < k->alpha ? k->in.w - left : k->alpha;
        const float *x = op->src[0] + (n * k->in.h + top) * t.row + (int64_t)left * t.pixel;
        for (int c = 0; c < k->in.c; c += 16) {
            t.lanes = rl_lanes(k->in.c - c);
            k->f->input(&t, x + c, v + c, k->v_stride);
        }
    }
}

static void transform_output(const conv *k, const rl_operands *op, int64_t begin, int64_t end, const float *m)
{
    int64_t per_image = (int64_t)k->tiles_h * k->tiles_w;
    rl_tile t = { .row = (int64_t)k->out.w * k->out.pitch, .pixel = k->out.pitch };
    const float *mask = k->mask ? op->src[2] : NULL;
    for (int64_t i = begin; i < end; i++, m += k->out_width) {
        int64_t n = i / per_image, at = i % per_image;
        int top = (int)(at / k->tiles_w) * k->f->m, left = (int)(at % k->tiles_w) * k->f->m;
        t.bottom = k->out.h - top < k->f->m ? k->out.h - top : k->f->m;
        t.right = k->out.w - left < k->f->m ? k->out.w - left : k->f->m;
        int64_t offset = (n * k->out.h + top) * t.row + left * t.pixel;
        for (int c = 0; c < k->out.c; c += 16) {
            rl_epilogue e = { k->bias ? op->src[2] + c : NULL, mask ? mask + offset + c : NULL, k->relu, k->accumulate };
            t.lanes = rl_lanes(k->out.c - c);
            k->f->output(&t, &e, m + c, k->m_stride, op->dst[0] + offset + c);
        }
    }
}

// Columns [left, right) in panels of point p's product.
static void multiply(const conv *k, int p, int64_t tiles, int first, int behind, const float *v, float *m)
{
    int left = first * RL_PANEL, right = behind * RL_PANEL < k->out_width ? behind * RL_PANEL : (int)k->out_width;
    if (left >= right) return;
    rl_gemm g = {
        .m = (int)tiles, .n = right - left, .k = k->in.c,
        .a = v + p * k->v_stride, .lda = k->in_width,
        .b = k->u + p * k->u_stride + (int64_t)left * k->in.c, .panel = (int64_t)k->in.c * RL_PANEL,
        .c = m + p * k->m_stride + left, .ldc = k->out_width,
    };
    rl_gemm_run(&g);
}

// The blocks of one thread.
static void own_blocks(rl_kernel *kernel, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const conv *k = (const conv *)kernel;
    float *v = k->v + thread * k->points * k->v_stride, *m = k->m + thread * k->points * k->m_stride;
    int64_t blocks = (end - begin + k->block - 1) / k->block;
    for (int64_t b = 0; b < blocks; b++) {
        int64_t from = begin + (end - begin) * b / blocks, to = begin + (end - begin) * (b + 1) / blocks;
        transform_input(k, op, from, to, v);
        for (int p = 0; p < k->points; p++) multiply(k, p, to - from, 0, k->panels, v, m);
        transform_output(k, op, from, to, m);
    }
}

static void shared_input(rl_kernel *kernel, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const conv *k = (const conv *)kernel;
    (void)thread;
    transform_input(k, op, k->begin + begin, k->begin + end, k->v + begin * k->in_width);
}

static void shared_product(rl_kernel *kernel, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const conv *k = (const conv *)kernel;
    (void)op, (void)thread;
    while (begin < end) {
        int p = (int)(begin / k->panels), first = (int)(begin % k->panels);
        int64_t behind = first + end - begin < k->panels ? first + end - begin : k->panels;
        multiply(k, p, k->now, first, (int)behind, k->v, k->m);
        begin += behind - first;
    }
}

static void shared_output(rl_kernel *kernel, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const conv *k = (const conv *)kernel;
    (void)thread;
    transform_output(k, op, k->begin + begin, k->begin + end, k->m + begin * k->out_width);
}

static int run(rl_kernel *kernel, const rl_operands *op)
{
    conv *k = (conv *)kernel;
    k->u = k->base.arena->data;
    k->v = k->u + k->u_len;
    k->m = k->v + k->v_len;
    rl_parallel(kernel, op, (k->out.c + 15) / 16, 1, transform_weights);
    if (!k->shared) {
        rl_parallel(kernel, op, k->tiles, 1, own_blocks);
        return RL_OK;
    }
    int64_t blocks = (k->tiles + k->block - 1) / k->block;
    for (int64_t b = 0; b < blocks; b++) {
        k->begin = k->tiles * b / blocks;
        k->now = k->tiles * (b + 1) / blocks - k->begin;
        rl_parallel(kernel, op, k->now, 1, shared_input);
        rl_parallel(kernel, op, (int64_t)k->points * k->panels, 1, shared_product);
        rl_parallel(kernel, op, k->now, 1, shared_output);
    }
    return RL_OK;
}

static int create(const rl_device *d, conv k, int m, int r, rl_kernel **out)
{
    k.f = rl_winograd_find(m, r);
    if (!k.f) return RL_NO_TRANSFORM;
    conv *c = rl_kernel_new(d, sizeof *c, "winograd", run);
    if (!c) return RL_NO_MEMORY;
    k.base = c->base;
    *c = k;
    c->alpha = m + r - 1;
    c->points = c->alpha * c->alpha;
    c->tiles_h = (c->out.h + m - 1) / m;
    c->tiles_w = (c->out.w + m - 1) / m;
    c->tiles = (int64_t)c->out.n * c->tiles_h * c->tiles_w;
    c->panels = (c->out.c + RL_PANEL - 1) / RL_PANEL;
    c->in_width = rl_odd_lines(c->in.c);
    c->out_width = (c->out.c + 15) / 16 * 16;
    c->u_stride = rl_odd_lines((int64_t)c->panels * c->in.c * RL_PANEL);
    c->u_len = c->u_stride * c->points;
    // Measured: weights of up to two second-level caches are read again for each small block faster than large blocks
    // pass through the third level.
    c->shared = c->u_len > (5 << 17);
    c->block = (c->shared ? RL_SHARED_BLOCK : RL_OWN_BLOCK) / 4 / c->points / (c->in_width + c->out_width);
    if (c->block < 2 * RL_TILE_ROWS) c->block = 2 * RL_TILE_ROWS;
    if (c->block > c->tiles) c->block = c->tiles;
    c->v_stride = rl_odd_lines(c->block * c->in_width);
    c->m_stride = rl_odd_lines(c->block * c->out_width);
    int64_t parts = c->shared ? 1 : d->threads;
    c->v_len = parts * c->points * c->v_stride;
    c->m_len = parts * c->points * c->m_stride;
    rl_kernel_share(c, (int64_t)sizeof(float) * (c->u_len + c->v_len + c->m_len));
    return rl_kernel_finish(c, out);
}

int rl_winograd_forward(const rl_device *d, rl_window c, int m, rl_kernel **out)
{
    conv k = {
        .in = { c.n, c.ih, c.iw, c.ic, c.ic }, .out = { c.n, c.oh, c.ow, c.oc, c.pitch },
        .pad_h = c.ph, .pad_w = c.pw, .relu = c.relu, .bias = !c.no_bias,
    };
    return create(d, k, m, c.kh, out);
}

int rl_winograd_backward_data(const rl_device *d, rl_window c, int m, rl_kernel **out)
{
    conv k = {
        .in = { c.n, c.oh, c.ow, c.oc, c.pitch }, .out = { c.n, c.ih, c.iw, c.ic, c.ic }, .backward = 1,
        .pad_h = c.kh - 1 - c.ph, .pad_w = c.kw - 1 - c.pw, .accumulate = c.accumulate, .mask = c.mask,
    };
    return create(d, k, m, c.kh, out);
}

#endif
