// Batch normalisation over [pixels, channels]: the body of batchnorm.c. See versions.h.

// Adds to sum the values (or for a backward pass dy) of some pixels, and to product (x-shift)^2 (or dy (x-shift)).
TARGET static inline __attribute__((always_inline)) void NAME(block_sums)(float *sum, float *product, const float *x,
                                                                          const float *dy, const float *shift,
                                                                          int channels, int64_t pixels)
{
    int64_t p = 0;
    for (; p + 4 <= pixels; p += 4) {
        const float *row = x + p * channels, *gradient = dy + p * channels;
        for (int c = 0; c < channels; c += LANES) {
            int n = channels - c < LANES ? channels - c : LANES;
            FLOATS s = { 0 }, q = { 0 }, m = NAME(load)(shift + c, n);
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++) {
                FLOATS u = NAME(load)(row + i * channels + c, n) - m;
                FLOATS v = dy ? NAME(load)(gradient + i * channels + c, n) : u;
                s += v;
                q += v * u;
            }
            NAME(store)(sum + c, NAME(load)(sum + c, n) + s, n);
            NAME(store)(product + c, NAME(load)(product + c, n) + q, n);
        }
    }
    for (; p < pixels; p++) {
        for (int c = 0; c < channels; c++) {
            float u = x[p * channels + c] - shift[c], v = dy ? dy[p * channels + c] : u;
            sum[c] += v;
            product[c] += v * u;
        }
    }
}

// Sums over the pixels [begin, end) in this thread's doubles. Blocks keep the float sums short.
TARGET static inline __attribute__((always_inline)) void NAME(sums)(const norm *s, const float *x, const float *dy,
                                                                    int64_t begin, int64_t end, int thread)
{
    int channels = s->n.channels;
    double *total = s->totals + (int64_t)thread * 2 * s->padded;
    float *partial = s->partials + (int64_t)thread * 2 * s->padded;
    memset(total, 0, 2 * (size_t)s->padded * sizeof *total);
    for (int64_t p = begin; p < end; p += BLOCK) {
        memset(partial, 0, 2 * (size_t)s->padded * sizeof *partial);
        NAME(block_sums)(partial, partial + s->padded, x + p * channels, dy ? dy + p * channels : NULL, s->a, channels,
                         end - p < BLOCK ? end - p : BLOCK);
        for (int c = 0; c < 2 * s->padded; c++) total[c] += (double)partial[c];
    }
}

TARGET static void NAME(moments)(rl_kernel *k, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    NAME(sums)((const norm *)k, op->src[0], NULL, begin, end, thread);
}

TARGET static void NAME(backward_sums)(rl_kernel *k, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    NAME(sums)((const norm *)k, op->src[1], op->src[0], begin, end, thread);
}

// y = (x-a) b + beta. Subtracting the mean first loses nothing where it is large.
TARGET static void NAME(normalize)(rl_kernel *k, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const norm *s = (const norm *)k;
    int channels = s->n.channels, relu = s->n.relu;
    const float *beta = op->src[2];
    (void)thread;
    for (int64_t p = begin; p < end; p++) {
        const float *x = op->src[0] + p * channels;
        float *y = op->dst[0] + p * channels;
        for (int c = 0; c < channels; c += LANES) {
            int n = channels - c < LANES ? channels - c : LANES;
            FLOATS v = (NAME(load)(x + c, n) - NAME(load)(s->a + c, n)) * NAME(load)(s->b + c, n) + NAME(load)(beta + c, n);
            NAME(store)(y + c, relu ? NAME(positive)(v) : v, n);
        }
    }
}

// dx = b (dy - means[0] - (x-a) e)
TARGET static void NAME(backward)(rl_kernel *k, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const norm *s = (const norm *)k;
    int channels = s->n.channels;
    const float *mean_dy = op->src[4];
    (void)thread;
    for (int64_t p = begin; p < end; p++) {
        const float *dy = op->src[0] + p * channels, *x = op->src[1] + p * channels;
        const float *mask = s->n.mask ? op->src[5] + p * channels : NULL;
        float *dx = op->dst[0] + p * channels;
        for (int c = 0; c < channels; c += LANES) {
            int n = channels - c < LANES ? channels - c : LANES;
            FLOATS u = (NAME(load)(x + c, n) - NAME(load)(s->a + c, n)) * NAME(load)(s->e + c, n);
            FLOATS v = (NAME(load)(dy + c, n) - NAME(load)(mean_dy + c, n) - u) * NAME(load)(s->b + c, n);
            if (s->n.accumulate) v += NAME(load)(dx + c, n);
            if (mask) v = NAME(masked)(v, NAME(load)(mask + c, n));
            NAME(store)(dx + c, v, n);
        }
    }
}
