//go:build onednn && cgo

// Softmax cross-entropy with its gradient. Ten classes are a few microseconds a batch, so this is plain C on one
// thread; the sum over samples is in double and in order.

#include "own.h"

#include <math.h>

typedef struct softmax {
    rl_own own;
    int n, classes;
} softmax;

static int run(rl_kernel *k, const rl_operands *op)
{
    const softmax *s = (const softmax *)k;
    const float *logits = op->src[0], *labels = op->src[1];
    float scale = op->src[2][0], *stats = op->dst[0], *dlogits = op->dst[1];
    double loss = 0;
    int correct = 0;
    for (int i = 0; i < s->n; i++) {
        // Written so that a NaN fails it too.
        if (!(labels[i] >= 0 && labels[i] < (float)s->classes)) return RL_BAD_LABEL;
        int label = (int)labels[i], best = 0;
        if ((float)label != labels[i]) return RL_BAD_LABEL;
        const float *x = logits + (int64_t)i * s->classes;
        float *dx = dlogits + (int64_t)i * s->classes, sum = 0;
        for (int c = 1; c < s->classes; c++)
            if (x[c] > x[best]) best = c;
        for (int c = 0; c < s->classes; c++) {
            dx[c] = expf(x[c] - x[best]);
            sum += dx[c];
        }
        loss += (double)logf(sum) - (double)(x[label] - x[best]);
        correct += best == label;
        float factor = scale / sum;
        for (int c = 0; c < s->classes; c++) dx[c] *= factor;
        dx[label] -= scale;
    }
    stats[0] = (float)(loss * (double)scale);
    stats[1] = (float)correct;
    return RL_OK;
}

int rl_softmax_cross_entropy(const rl_device *d, int n, int classes, rl_kernel **out)
{
    softmax *s = rl_own_new(d, sizeof *s, "softmax", run);
    if (!s) return RL_NO_MEMORY;
    s->n = n;
    s->classes = classes;
    return rl_own_finish(s, out);
}
