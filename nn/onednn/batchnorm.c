//go:build onednn && cgo

// The parts of a batch normalisation (nn/op/spec_norm.go), each one pass over memory. Sums run in float32 over short
// blocks of pixels and in double over the blocks. The variance is taken around a shift close to the mean, so that the
// two sums of one pass do not cancel.

#include "kernel_base.h"

typedef struct norm {
    rl_kernel_base base;
    rl_norm n;
    int padded;       // channels, rounded up
    float *a, *b, *e; // [channels]: what the loop over pixels needs, prepared at each run
    float *partials;  // [threads, 2, padded]
    double *totals;   // [threads, 2, padded]
    rl_range fn;
} norm;

// BLOCK: pixels whose sums are in float32. SAMPLES: pixels that the shift is the mean of. EPSILON and MOMENTUM are
// op.BatchNormEpsilon and op.BatchNormMomentum.
enum { BLOCK = 256, SAMPLES = 64, GRAIN = 16 };
static const double EPSILON = 1e-5, MOMENTUM = 0.1;

#define RL_BODY "batchnorm_body.h"
#include "versions.h"

// The sum over the threads, in their order.
static double total(const norm *s, int which, int channel)
{
    double sum = 0;
    for (int t = 0; t < s->base.kernel.threads; t++) sum += s->totals[((int64_t)t * 2 + which) * s->padded + channel];
    return sum;
}

static double inverse_deviation(float variance) { return 1 / sqrt((double)variance + EPSILON); }

static int moments_run(rl_kernel *k, const rl_operands *op)
{
    const norm *s = (const norm *)k;
    int channels = s->n.channels;
    int64_t pixels = s->n.pixels, samples = pixels < SAMPLES ? pixels : SAMPLES;
    for (int c = 0; c < channels; c++) s->a[c] = 0;
    for (int64_t i = 0; i < samples; i++) {
        const float *x = op->src[0] + i * pixels / samples * channels;
        for (int c = 0; c < channels; c++) s->a[c] += x[c] / (float)samples;
    }
    rl_parallel(k, op, pixels, GRAIN, s->fn);
    for (int c = 0; c < channels; c++) {
        double mean = total(s, 0, c) / (double)pixels, variance = total(s, 1, c) / (double)pixels - mean * mean;
        op->dst[0][c] = (float)((double)s->a[c] + mean);
        op->dst[0][channels + c] = variance < 0 ? 0 : (float)variance; // a NaN stays one
    }
    return RL_OK;
}

static int normalize_run(rl_kernel *k, const rl_operands *op)
{
    const norm *s = (const norm *)k;
    int channels = s->n.channels;
    const float *gamma = op->src[1], *moments = op->src[3];
    for (int c = 0; c < channels; c++) {
        s->a[c] = moments[c];
        s->b[c] = (float)((double)gamma[c] * inverse_deviation(moments[channels + c]));
    }
    rl_parallel(k, op, s->n.pixels, GRAIN, s->fn);
    return RL_OK;
}

static int forward_run(rl_kernel *k, const rl_operands *op)
{
    const norm *s = (const norm *)k;
    int channels = s->n.channels;
    const float *moments = op->src[3];
    float *running = op->dst[1];
    double unbiased = s->n.count > 1 ? (double)s->n.count / (double)(s->n.count - 1) : 1;
    normalize_run(k, op);
    for (int i = 0; i < 2 * channels; i++) {
        double batch = (double)moments[i] * (i < channels ? 1 : unbiased);
        running[i] += (float)(MOMENTUM * (batch - (double)running[i]));
    }
    return RL_OK;
}

static int sums_run(rl_kernel *k, const rl_operands *op)
{
    const norm *s = (const norm *)k;
    int channels = s->n.channels;
    const float *moments = op->src[2];
    float *means = op->dst[2];
    double pixels = (double)s->n.pixels;
    memcpy(s->a, moments, (size_t)channels * sizeof *moments);
    rl_parallel(k, op, s->n.pixels, GRAIN, s->fn);
    for (int c = 0; c < channels; c++) {
        double dbeta = total(s, 0, c), dgamma = total(s, 1, c) * inverse_deviation(moments[channels + c]);
        op->dst[0][c] = (float)dgamma;
        op->dst[1][c] = (float)dbeta;
        means[c] = (float)(dbeta / pixels);
        means[channels + c] = (float)(dgamma / pixels);
    }
    return RL_OK;
}

static int backward_run(rl_kernel *k, const rl_operands *op)
{
    const norm *s = (const norm *)k;
    int channels = s->n.channels;
    const float *gamma = op->src[2], *moments = op->src[3], *means = op->src[4];
    for (int c = 0; c < channels; c++) {
        double inverse = inverse_deviation(moments[channels + c]);
        s->a[c] = moments[c];
        s->b[c] = (float)((double)gamma[c] * inverse);
        s->e[c] = (float)(inverse * (double)means[channels + c]);
    }
    rl_parallel(k, op, s->n.pixels, GRAIN, s->fn);
    return RL_OK;
}

int rl_norm_part(const rl_device *d, int what, rl_norm n, rl_kernel **out)
{
    norm *s = rl_kernel_new(d, sizeof *s, "batchnorm", NULL);
    if (!s) return RL_NO_MEMORY;
    s->n = n;
    s->padded = (n.channels + 15) / 16 * 16;
    s->a = rl_kernel_block(s, (int64_t)s->padded * (int64_t)sizeof *s->a);
    s->b = rl_kernel_block(s, (int64_t)s->padded * (int64_t)sizeof *s->b);
    s->e = rl_kernel_block(s, (int64_t)s->padded * (int64_t)sizeof *s->e);
    int64_t sums = (int64_t)d->threads * 2 * s->padded;
    switch (what) {
    case RL_NORM_MOMENTS:
    case RL_NORM_SUMS:
        s->partials = rl_kernel_block(s, sums * (int64_t)sizeof *s->partials);
        s->totals = rl_kernel_block(s, sums * (int64_t)sizeof *s->totals);
        s->base.kernel.run = what == RL_NORM_SUMS ? sums_run : moments_run;
        s->fn = what == RL_NORM_SUMS ? RL_PICK(d, backward_sums) : RL_PICK(d, moments);
        break;
    case RL_NORM_FORWARD:
    case RL_NORM_INFERENCE:
        s->base.kernel.run = what == RL_NORM_FORWARD ? forward_run : normalize_run;
        s->fn = RL_PICK(d, normalize);
        break;
    case RL_NORM_BACKWARD:
        s->base.kernel.run = backward_run;
        s->fn = RL_PICK(d, backward);
        break;
    }
    return rl_kernel_finish(s, out);
}
