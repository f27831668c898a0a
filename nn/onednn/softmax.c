//go:build onednn && cgo

// Softmax cross-entropy with its gradient. Ten classes are a few microseconds a batch, so this is plain C on one
// thread; the sum over samples is in double and in order.

#include "kernel_base.h"

#include <math.h>

typedef struct softmax {
    rl_kernel_base base;
    int n, classes;
    float smoothing;
} softmax;

static int run(rl_kernel *k, const rl_operands *op)
{
    const softmax *s = (const softmax *)k;
    const float *logits = op->src[0], *labels = op->src[1];
    // The target of every class, and what the label's has more.
    double other = (double)s->smoothing / s->classes, more = 1 - (double)s->smoothing;
    double scale = (double)op->src[2][0];
    float other_scaled = (float)(other * scale), more_scaled = (float)(more * scale);
    float *stats = op->dst[0], *dlogits = op->dst[1];
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
        double log_sum = (double)logf(sum);
        loss += more * (log_sum - (double)(x[label] - x[best]));
        if (other > 0)
            for (int c = 0; c < s->classes; c++) loss += other * (log_sum - (double)(x[c] - x[best]));
        correct += best == label;
        float factor = (float)scale / sum;
        for (int c = 0; c < s->classes; c++) dx[c] = dx[c] * factor - other_scaled;
        dx[label] -= more_scaled;
    }
    stats[0] = (float)(loss * scale);
    stats[1] = (float)correct;
    return RL_OK;
}

int rl_softmax_cross_entropy(const rl_device *d, int n, int classes, float smoothing, rl_kernel **out)
{
    softmax *s = rl_kernel_new(d, sizeof *s, "softmax", run);
    if (!s) return RL_NO_MEMORY;
    s->n = n;
    s->classes = classes;
    s->smoothing = smoothing;
    return rl_kernel_finish(s, out);
}
