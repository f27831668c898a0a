//go:build onednn && cgo

// The optimizers' updates, limited by memory, and the sum that clipping by norm needs.

#include "kernel_base.h"

typedef struct update {
    rl_kernel_base base;
    int64_t len;
    double *sums; // [threads]
    rl_range fn;
} update;

// op.HyperRate and following.
enum { RATE, GRAD_SCALE, L2, DECAY, MOMENTUM, BETA2, ROOT, EPSILON };
enum { GRAIN = 16 };

#define RL_BODY "update_body.h"
#include "versions.h"

static int run(rl_kernel *k, const rl_operands *op)
{
    const update *u = (const update *)k;
    rl_parallel(k, op, u->len, GRAIN, u->fn);
    return RL_OK;
}

static int sum_run(rl_kernel *k, const rl_operands *op)
{
    const update *u = (const update *)k;
    double sum = 0;
    run(k, op);
    for (int t = 0; t < k->threads; t++) sum += u->sums[t];
    op->dst[0][0] = (float)sum;
    return RL_OK;
}

int rl_update(const rl_device *d, int what, int64_t len, rl_kernel **out)
{
    update *u = rl_kernel_new(d, sizeof *u, "update", run);
    if (!u) return RL_NO_MEMORY;
    u->len = len;
    switch (what) {
    case RL_ADAM: u->fn = RL_PICK(d, adam); break;
    case RL_SGD: u->fn = RL_PICK(d, sgd); break;
    case RL_SGD_NESTEROV: u->fn = RL_PICK(d, nesterov); break;
    }
    return rl_kernel_finish(u, out);
}

int rl_sum_of_squares(const rl_device *d, int64_t len, rl_kernel **out)
{
    update *u = rl_kernel_new(d, sizeof *u, "squares", sum_run);
    if (!u) return RL_NO_MEMORY;
    u->len = len;
    u->sums = rl_kernel_block(u, d->threads * (int64_t)sizeof *u->sums);
    u->fn = RL_PICK(d, squares);
    return rl_kernel_finish(u, out);
}
