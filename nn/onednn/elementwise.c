//go:build onednn && cgo

// ReLU, its gradient and addition: limited by memory.

#define RL_BODY "elementwise_body.h"
#include "versions.h"

typedef struct elementwise {
    rl_kernel_base base;
    int64_t len;
    rl_range fn;
} elementwise;

// A cache line, so that no two threads write to the same one.
enum { GRAIN = 16 };

static int run(rl_kernel *k, const rl_operands *op)
{
    const elementwise *e = (const elementwise *)k;
    rl_parallel(k, op, e->len, GRAIN, e->fn);
    return RL_OK;
}

int rl_elementwise(const rl_device *d, int what, int64_t len, rl_kernel **out)
{
    elementwise *e = rl_kernel_new(d, sizeof *e, "elementwise", run);
    if (!e) return RL_NO_MEMORY;
    e->len = len;
    switch (what) {
    case RL_RELU_FORWARD: e->fn = RL_PICK(d, relu_forward); break;
    case RL_RELU_BACKWARD: e->fn = RL_PICK(d, relu_backward); break;
    case RL_ADD: e->fn = RL_PICK(d, add); break;
    case RL_ADD_RELU: e->fn = RL_PICK(d, add_relu); break;
    }
    return rl_kernel_finish(e, out);
}
