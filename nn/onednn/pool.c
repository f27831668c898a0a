//go:build onednn && cgo

// Max and average pooling. oneDNN's max pooling keeps a 4-byte index, or one byte in a layout of its own, and none of
// its backward passes can accumulate or mask: these do so in the same pass over memory.

#include "kernel_base.h"

// [from, to) along an axis.
typedef struct range {
    int from, to;
} range;

typedef struct pool {
    rl_kernel_base base;
    rl_window g;
    range *taps_h, *taps_w;       // of the window at each output position, the taps inside the image
    range *windows_h, *windows_w; // the output positions whose windows hold each input position
    rl_range fn;
} pool;

#define RL_BODY "pool_body.h"
#include "versions.h"

static range *taps(pool *p, int out, int in, int kernel, int stride, int pad)
{
    range *r = rl_kernel_block(p, (int64_t)out * (int64_t)sizeof *r);
    for (int o = 0; r && o < out; o++) {
        int left = o * stride - pad, from = left < 0 ? -left : 0, to = in - left < kernel ? in - left : kernel;
        r[o].from = from;
        r[o].to = to > from ? to : from;
    }
    return r;
}

static range *windows(pool *p, int out, int in, int kernel, int stride, int pad)
{
    range *r = rl_kernel_block(p, (int64_t)in * (int64_t)sizeof *r);
    for (int i = 0; r && i < in; i++) {
        int from = i + pad - kernel + 1, to = (i + pad) / stride + 1;
        from = from > 0 ? (from + stride - 1) / stride : 0;
        if (to > out) to = out;
        r[i].from = from;
        r[i].to = to > from ? to : from;
    }
    return r;
}

static int forward_run(rl_kernel *k, const rl_operands *op)
{
    const pool *p = (const pool *)k;
    rl_parallel(k, op, (int64_t)p->g.n * p->g.oh, 1, p->fn);
    return RL_OK;
}

static int max_forward_run(rl_kernel *k, const rl_operands *op)
{
    const rl_window *g = &((const pool *)k)->g;
    int64_t len = (int64_t)g->n * g->oh * g->ow * g->oc;
    forward_run(k, op);
    // The bytes of the last element that stand for nothing.
    for (uint8_t *where = (uint8_t *)op->dst[1]; len % 4; len++) where[len] = 0;
    return RL_OK;
}

static int backward_run(rl_kernel *k, const rl_operands *op)
{
    const pool *p = (const pool *)k;
    rl_parallel(k, op, (int64_t)p->g.n * p->g.ih, 1, p->fn);
    return RL_OK;
}

int rl_pool(const rl_device *d, int what, rl_window g, rl_kernel **out)
{
    int backward = what == RL_MAX_BACKWARD || what == RL_AVG_BACKWARD;
    pool *p = rl_kernel_new(d, sizeof *p, "pool", backward ? backward_run : forward_run);
    if (!p) return RL_NO_MEMORY;
    p->g = g;
    if (backward) {
        p->windows_h = windows(p, g.oh, g.ih, g.kh, g.sh, g.ph);
        p->windows_w = windows(p, g.ow, g.iw, g.kw, g.sw, g.pw);
    } else {
        p->taps_h = taps(p, g.oh, g.ih, g.kh, g.sh, g.ph);
        p->taps_w = taps(p, g.ow, g.iw, g.kw, g.sw, g.pw);
    }
    switch (what) {
    case RL_MAX_FORWARD:
        p->base.kernel.run = max_forward_run;
        p->fn = RL_PICK(d, max_forward);
        break;
    case RL_MAX_INFERENCE: p->fn = RL_PICK(d, max_inference); break;
    case RL_MAX_BACKWARD: p->fn = RL_PICK(d, max_backward); break;
    case RL_AVG_FORWARD: p->fn = RL_PICK(d, avg_forward); break;
    case RL_AVG_BACKWARD: p->fn = RL_PICK(d, avg_backward); break;
    }
    return rl_kernel_finish(p, out);
}
