// Pooling in NHWC, a vector of channels at a time: the body of pool.c. See versions.h.

// Windows' results, for the output rows [begin, end) of all images.
TARGET static inline __attribute__((always_inline)) void NAME(max_rows)(const pool *p, const rl_operands *op,
                                                                        int64_t begin, int64_t end, int training)
{
    const rl_window *g = &p->g;
    int c = g->ic;
    uint8_t *where = training ? (uint8_t *)op->dst[1] : NULL;
    for (int64_t row = begin; row < end; row++) {
        int oh = (int)(row % g->oh);
        range rows = p->taps_h[oh];
        // May point before the image; only the taps inside are touched.
        const float *corner = op->src[0] + (row / g->oh * g->ih + (int64_t)oh * g->sh - g->ph) * g->iw * c;
        for (int ow = 0; ow < g->ow; ow++) {
            range columns = p->taps_w[ow];
            const float *x = corner + ((int64_t)ow * g->sw - g->pw) * c;
            int64_t at = (row * g->ow + ow) * c;
            for (int i = 0; i < c; i += LANES) {
                int n = c - i < LANES ? c - i : LANES;
                // The first tap inside is where a window of nothing but minus infinity points to.
                int first = rows.from * g->kw + columns.from;
                FLOATS best = NAME(load)(x + ((int64_t)rows.from * g->iw + columns.from) * c + i, n);
                INTS tap = first - (INTS){ 0 };
                for (int h = rows.from; h < rows.to; h++) {
                    const float *line = x + (int64_t)h * g->iw * c + i;
                    for (int w = columns.from; w < columns.to; w++) {
                        FLOATS v = NAME(load)(line + w * c, n);
                        MASK m = NAME(above_or_nan)(v, best);
                        best = NAME(where)(m, v, best);
                        if (training) tap = NAME(where_int)(m, h * g->kw + w, tap);
                    }
                }
                NAME(store)(op->dst[0] + at + i, best, n);
                if (training) NAME(store_bytes)(where + at + i, tap, n);
            }
        }
    }
}

TARGET static void NAME(max_forward)(rl_kernel *k, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    NAME(max_rows)((const pool *)k, op, begin, end, 1);
}

TARGET static void NAME(max_inference)(rl_kernel *k, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    NAME(max_rows)((const pool *)k, op, begin, end, 0);
}

TARGET static void NAME(avg_forward)(rl_kernel *k, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const pool *p = (const pool *)k;
    const rl_window *g = &p->g;
    int c = g->ic;
    FLOATS share = NAME(splat)(1.0f / (float)(g->kh * g->kw));
    (void)thread;
    for (int64_t row = begin; row < end; row++) {
        int oh = (int)(row % g->oh);
        range rows = p->taps_h[oh];
        const float *corner = op->src[0] + (row / g->oh * g->ih + (int64_t)oh * g->sh - g->ph) * g->iw * c;
        for (int ow = 0; ow < g->ow; ow++) {
            range columns = p->taps_w[ow];
            const float *x = corner + ((int64_t)ow * g->sw - g->pw) * c;
            float *y = op->dst[0] + (row * g->ow + ow) * c;
            for (int i = 0; i < c; i += LANES) {
                int n = c - i < LANES ? c - i : LANES;
                FLOATS sum = { 0 };
                for (int h = rows.from; h < rows.to; h++) {
                    const float *line = x + (int64_t)h * g->iw * c + i;
                    for (int w = columns.from; w < columns.to; w++) sum += NAME(load)(line + w * c, n);
                }
                NAME(store)(y + i, sum * share, n);
            }
        }
    }
}

// Gradients, for the input rows [begin, end) of all images: each pixel gathers from the windows that hold it, so that
// it is written once, no two threads write to the same, and the sum's order is fixed.
TARGET static inline __attribute__((always_inline)) void NAME(backward_rows)(const pool *p, const rl_operands *op,
                                                                             int64_t begin, int64_t end, int max)
{
    const rl_window *g = &p->g;
    int c = g->ic;
    const float *dy = op->src[0], *mask = g->mask ? op->src[max ? 2 : 1] : NULL;
    const uint8_t *where = (const uint8_t *)op->src[1]; // max only
    FLOATS share = NAME(splat)(max ? 1.0f : 1.0f / (float)(g->kh * g->kw));
    for (int64_t row = begin; row < end; row++) {
        int ih = (int)(row % g->ih);
        range rows = p->windows_h[ih];
        int64_t image = row / g->ih * g->oh;
        for (int iw = 0; iw < g->iw; iw++) {
            range columns = p->windows_w[iw];
            int64_t at = (row * g->iw + iw) * c;
            for (int i = 0; i < c; i += LANES) {
                int n = c - i < LANES ? c - i : LANES;
                FLOATS sum = { 0 };
                for (int oh = rows.from; oh < rows.to; oh++) {
                    int64_t line = (image + oh) * g->ow * c + i;
                    int tap_row = (ih + g->ph - oh * g->sh) * g->kw + iw + g->pw;
                    for (int ow = columns.from; ow < columns.to; ow++) {
                        FLOATS v = NAME(load)(dy + line + (int64_t)ow * c, n);
                        if (max) {
                            MASK here = NAME(same_byte)(where + line + (int64_t)ow * c, tap_row - ow * g->sw, n);
                            v = NAME(where)(here, v, (FLOATS){ 0 });
                        }
                        sum += v;
                    }
                }
                float *dx = op->dst[0] + at + i;
                if (!max) sum *= share;
                if (g->accumulate) sum += NAME(load)(dx, n);
                if (mask) sum = NAME(masked)(sum, NAME(load)(mask + at + i, n));
                NAME(store)(dx, sum, n);
            }
        }
    }
}

TARGET static void NAME(max_backward)(rl_kernel *k, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    NAME(backward_rows)((const pool *)k, op, begin, end, 1);
}

TARGET static void NAME(avg_backward)(rl_kernel *k, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    NAME(backward_rows)((const pool *)k, op, begin, end, 0);
}
