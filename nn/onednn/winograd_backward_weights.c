//go:build onednn && cgo

// The weights' gradient by Winograd's transforms: a block of tiles of x and of dy is transformed, and each point's
// product, summed over the tiles, is added to the point's gradient; in the end that is transformed back. Threads split
// a block by tiles to transform and by points to multiply: the sums over tiles are the same for any number of threads.

#include "winograd.h"

#include <string.h>

#if defined(__x86_64__)

// A block's bytes, and bounds of its tiles: with few, the products are loaded and stored too often; with many, a panel
// of transformed x leaves the first-level cache.
enum { GRADIENT_BLOCK = 4 << 20, LEAST_TILES = 128, MOST_TILES = 320 };

typedef struct gradient {
    rl_kernel_base base;
    const rl_winograd *f;
    rl_window c;
    int alpha, points, tiles_h, tiles_w, panels;
    int64_t tiles, block, in_width, out_width, v_stride, d_stride, u_stride;
    int64_t begin, now;      // first tile and tiles of the current block
    float *v, *d, *u, *bias; // transformed x, transformed dy, products; each thread's sums of dy: set at each run
} gradient;

static void transform(rl_kernel *kernel, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const gradient *k = (const gradient *)kernel;
    const rl_window *c = &k->c;
    int64_t per_image = (int64_t)k->tiles_h * k->tiles_w;
    rl_tile in = { .row = (int64_t)c->iw * c->ic, .pixel = c->ic }, out = { .row = (int64_t)c->ow * c->pitch, .pixel = c->pitch };
    float *bias = k->bias + thread * k->out_width;
    for (int64_t i = begin; i < end; i++) {
        int64_t n = (k->begin + i) / per_image, at = (k->begin + i) % per_image;
        int y = (int)(at / k->tiles_w) * k->f->m, x = (int)(at % k->tiles_w) * k->f->m, top = y - c->ph, left = x - c->pw;
        in.top = top < 0 ? -top : 0;
        in.left = left < 0 ? -left : 0;
        in.bottom = c->ih - top < k->alpha ? c->ih - top : k->alpha;
        in.right = c->iw - left < k->alpha ? c->iw - left : k->alpha;
        out.bottom = c->oh - y < k->f->m ? c->oh - y : k->f->m;
        out.right = c->ow - x < k->f->m ? c->ow - x : k->f->m;
        const float *dy = op->src[0] + (n * c->oh + y) * out.row + x * out.pixel;
        const float *from = op->src[1] + (n * c->ih + top) * in.row + (int64_t)left * in.pixel;
        for (int j = 0; j < c->oc; j += 16) {
            out.lanes = rl_lanes(c->oc - j);
            k->f->gradient(&out, dy + j, k->d + i * k->out_width + j, k->d_stride, bias + j);
        }
        for (int j = 0; j < c->ic; j += 16) {
            in.lanes = rl_lanes(c->ic - j);
            k->f->input(&in, from + j, k->v + (j / RL_PANEL * k->block + i) * RL_PANEL + j % RL_PANEL, k->v_stride);
        }
    }
}

static void multiply(rl_kernel *kernel, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const gradient *k = (const gradient *)kernel;
    (void)op, (void)thread;
    while (begin < end) {
        int64_t p = begin / k->panels, first = begin % k->panels;
        int64_t behind = first + end - begin < k->panels ? first + end - begin : k->panels;
        int64_t left = first * RL_PANEL, right = behind * RL_PANEL < k->in_width ? behind * RL_PANEL : k->in_width;
        rl_gemm g = {
            .m = k->c.oc, .n = (int)(right - left), .k = (int)k->now, .a_by_columns = 1, .accumulate = k->begin > 0,
            .a = k->d + p * k->d_stride, .lda = k->out_width,
            .b = k->v + p * k->v_stride + first * k->block * RL_PANEL, .panel = k->block * RL_PANEL,
            .c = k->u + p * k->u_stride + left, .ldc = k->in_width,
        };
        rl_gemm_run(&g);
        begin += behind - first;
    }
}

static void transform_back(rl_kernel *kernel, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const gradient *k = (const gradient *)kernel;
    int64_t taps = k->f->r * k->f->r;
    (void)thread;
    for (int64_t o = begin; o < end; o++)
        for (int i = 0; i < k->c.ic; i += 16)
            k->f->weights_gradient(k->u + o * k->in_width + i, k->u_stride, rl_lanes(k->c.ic - i),
                                   op->dst[0] + (o * k->c.ic + i) * taps);
}

static int run(rl_kernel *kernel, const rl_operands *op)
{
    gradient *k = (gradient *)kernel;
    k->v = k->base.arena->data;
    k->d = k->v + k->points * k->v_stride;
    k->u = k->d + k->points * k->d_stride;
    k->bias = k->u + k->points * k->u_stride;
    memset(k->bias, 0, sizeof(float) * (size_t)(k->out_width * kernel->threads));
    int64_t blocks = (k->tiles + k->block - 1) / k->block;
    for (int64_t b = 0; b < blocks; b++) {
        k->begin = k->tiles * b / blocks;
        k->now = k->tiles * (b + 1) / blocks - k->begin;
        rl_parallel(kernel, op, k->now, 1, transform);
        rl_parallel(kernel, op, (int64_t)k->points * k->panels, 1, multiply);
    }
    rl_parallel(kernel, op, k->c.oc, 1, transform_back);
    for (int o = 0; o < k->c.oc && !k->c.no_bias; o++) {
        float sum = 0;
        for (int t = 0; t < kernel->threads; t++) sum += k->bias[t * k->out_width + o];
        op->dst[1][o] = sum;
    }
    return RL_OK;
}

int rl_winograd_backward_weights(const rl_device *d, rl_window c, int m, rl_kernel **out)
{
    const rl_winograd *f = rl_winograd_find(m, c.kh);
    if (!f) return RL_NO_TRANSFORM;
    gradient *k = rl_kernel_new(d, sizeof *k, "winograd", run);
    if (!k) return RL_NO_MEMORY;
    k->f = f;
    k->c = c;
    k->alpha = m + c.kh - 1;
    k->points = k->alpha * k->alpha;
    k->tiles_h = (c.oh + m - 1) / m;
    k->tiles_w = (c.ow + m - 1) / m;
    k->tiles = (int64_t)c.n * k->tiles_h * k->tiles_w;
    k->panels = (c.ic + RL_PANEL - 1) / RL_PANEL;
    k->in_width = (c.ic + 15) / 16 * 16;
    k->out_width = rl_odd_lines(c.oc);
    k->block = GRADIENT_BLOCK / 4 / k->points / (k->in_width + k->out_width);
    if (k->block < LEAST_TILES) k->block = LEAST_TILES;
    if (k->block > MOST_TILES) k->block = MOST_TILES;
    if (k->block > k->tiles) k->block = k->tiles;
    k->v_stride = rl_odd_lines((int64_t)k->panels * k->block * RL_PANEL);
    k->d_stride = rl_odd_lines(k->block * k->out_width);
    k->u_stride = rl_odd_lines(c.oc * k->in_width);
    rl_kernel_share(k, (int64_t)sizeof(float) * (k->points * (k->v_stride + k->d_stride + k->u_stride) + d->threads * k->out_width));
    return rl_kernel_finish(k, out);
}

#endif
