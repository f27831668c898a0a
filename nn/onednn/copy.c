//go:build onednn && cgo

// Copying a range of channels out of or into a wider image.

#include "kernel_base.h"

#include <string.h>

typedef struct channel_copy {
    rl_kernel_base base;
    int64_t pixels, src_pitch, dst_pitch;
    size_t bytes;
} channel_copy;

static void copy_range(rl_kernel *k, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const channel_copy *c = (const channel_copy *)k;
    (void)thread;
    for (int64_t i = begin; i < end; i++) memcpy(op->dst[0] + i * c->dst_pitch, op->src[0] + i * c->src_pitch, c->bytes);
}

static int run(rl_kernel *k, const rl_operands *op)
{
    rl_parallel(k, op, ((const channel_copy *)k)->pixels, 1, copy_range);
    return RL_OK;
}

int rl_channel_copy(const rl_device *d, int64_t pixels, int channels, int src_pitch, int dst_pitch, rl_kernel **out)
{
    channel_copy *c = rl_kernel_new(d, sizeof *c, "copy", run);
    if (!c) return RL_NO_MEMORY;
    c->pixels = pixels;
    c->src_pitch = src_pitch;
    c->dst_pitch = dst_pitch;
    c->bytes = (size_t)channels * sizeof(float);
    return rl_kernel_finish(c, out);
}
