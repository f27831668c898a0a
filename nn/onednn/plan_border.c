//go:build onednn && cgo

// What oneDNN does not do beside a primitive, row by row: putting a border of zeros around an image, taking one off with
// what op.Gather asks for, and a ReLU that keeps what is not a number.

#include "plan.h"

#define RL_BODY "plan_border_body.h"
#include "versions.h"

void rl_plan_border(rl_plan *p, const rl_device *d, int n, int h, int w, int c, int top, int left)
{
    rl_border *b = &p->border;
    b->n = n, b->h = h, b->w = w, b->c = c;
    b->top = top, b->left = left;
    b->gather = RL_PICK(d, gather);
}

static void put_range(rl_kernel *k, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const rl_border *b = &((rl_plan *)k)->border;
    int64_t side = (int64_t)b->left * b->c, middle = (int64_t)b->w * b->c;
    int rows = b->h + 2 * b->top;
    (void)op, (void)thread;
    for (int64_t i = begin; i < end; i++) {
        float *to = b->around + i * (middle + 2 * side);
        int64_t h = i % rows - b->top;
        if (h < 0 || h >= b->h) {
            memset(to, 0, (size_t)(middle + 2 * side) * sizeof *to);
            continue;
        }
        memset(to, 0, (size_t)side * sizeof *to);
        memcpy(to + side, b->from + (i / rows * b->h + h) * middle, (size_t)middle * sizeof *to);
        memset(to + side + middle, 0, (size_t)side * sizeof *to);
    }
}

void rl_border_put(rl_plan *p, const rl_operands *op)
{
    const rl_border *b = &p->border;
    rl_parallel(&p->base, op, (int64_t)b->n * (b->h + 2 * b->top), 1, put_range);
}

static void take_range(rl_kernel *k, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const rl_border *b = &((rl_plan *)k)->border;
    int64_t side = (int64_t)b->left * b->c, middle = (int64_t)b->w * b->c;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        int64_t row = i / b->h * (b->h + 2 * b->top) + i % b->h + b->top;
        const float *mask = b->mask ? op->src[2] + i * middle : NULL; // of both backward passes
        b->gather(op->dst[0] + i * middle, b->around + row * (middle + 2 * side) + side, mask, middle, b->accumulate);
    }
}

void rl_border_take(rl_plan *p, const rl_operands *op)
{
    const rl_border *b = &p->border;
    rl_parallel(&p->base, op, (int64_t)b->n * b->h, 1, take_range);
}

void rl_plan_relu(rl_plan *p, const rl_device *d, int64_t rows, int channels, int pitch)
{
    rl_rows *r = &p->positive;
    r->relu = 1;
    r->rows = rows, r->channels = channels, r->pitch = pitch;
    r->positive = RL_PICK(d, positive_rows);
}

static void positive_range(rl_kernel *k, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const rl_rows *r = &((rl_plan *)k)->positive;
    (void)thread;
    r->positive(op->dst[0] + begin * r->pitch, end - begin, r->channels, r->pitch);
}

void rl_positive(rl_plan *p, const rl_operands *op)
{
    rl_parallel(&p->base, op, p->positive.rows, 1, positive_range);
}
