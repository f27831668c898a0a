//go:build onednn && cgo

// Dropout by a hash of the element's index (op.DropoutKeeps): nothing is stored for the backward pass.

#include "kernel_base.h"

typedef struct dropout {
    rl_kernel_base base;
    int64_t len;
    float scale;
    uint32_t threshold, layer;
    rl_range fn;
} dropout;

#define RL_BODY "dropout_body.h"
#include "versions.h"

enum { GRAIN = 16 };

static int run(rl_kernel *k, const rl_operands *op)
{
    const dropout *s = (const dropout *)k;
    rl_parallel(k, op, s->len, GRAIN, s->fn);
    return RL_OK;
}

int rl_dropout(const rl_device *d, int64_t len, float scale, uint32_t threshold, uint32_t layer, int mask,
               rl_kernel **out)
{
    dropout *s = rl_kernel_new(d, sizeof *s, "dropout", run);
    if (!s) return RL_NO_MEMORY;
    s->len = len;
    s->scale = scale;
    s->threshold = threshold;
    s->layer = layer * 0x9E3779B9;
    s->fn = mask ? RL_PICK(d, dropout_masked) : RL_PICK(d, dropout);
    return rl_kernel_finish(s, out);
}
