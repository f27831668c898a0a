// Pooling in NHWC, a vector of channels at a time: the body of pool.c. See versions.h.

#define POOL TARGET static inline __attribute__((always_inline))

// The largest of rows x columns taps from x on, whose numbers count from first with stride kw. where: NULL in
// inference.
POOL void NAME(max_window)(float *y, uint8_t *where, const float *x, int64_t line, int channels, int first, int kw,
                           int rows, int columns)
{
    for (int c = 0; c < channels; c += LANES) {
        int n = channels - c < LANES ? channels - c : LANES;
        // The first tap inside is where a window of nothing but minus infinity points to.
        FLOATS best = NAME(load)(x + c, n);
        INTS tap = first - (INTS){ 0 };
#pragma GCC unroll 3
        for (int i = 0; i < rows; i++) {
#pragma GCC unroll 3
            for (int j = 0; j < columns; j++) {
                FLOATS v = NAME(load)(x + i * line + j * channels + c, n);
                MASK m = NAME(above_or_nan)(v, best);
                best = NAME(where)(m, v, best);
                if (where) tap = NAME(where_int)(m, first + i * kw + j, tap);
            }
        }
        NAME(store)(y + c, best, n);
        if (where) NAME(store_bytes)(where + c, tap, n);
    }
}

// Windows' results, for the output rows [begin, end) of all images.
POOL void NAME(max_rows)(const pool *p, const rl_operands *op, int64_t begin, int64_t end, int training)
{
    const rl_window *g = &p->g;
    int channels = g->ic;
    int64_t line = (int64_t)g->iw * channels;
    for (int64_t row = begin; row < end; row++) {
        int oh = (int)(row % g->oh);
        range rows = p->taps_h[oh];
        const float *top = op->src[0] + (row / g->oh * g->ih + (int64_t)oh * g->sh - g->ph + rows.from) * line;
        for (int ow = 0; ow < g->ow; ow++) {
            range columns = p->taps_w[ow];
            const float *x = top + ((int64_t)ow * g->sw - g->pw + columns.from) * channels;
            int64_t at = (row * g->ow + ow) * channels;
            float *y = op->dst[0] + at;
            uint8_t *where = training ? (uint8_t *)op->dst[1] + at : NULL;
            int h = rows.to - rows.from, w = columns.to - columns.from;
            // What the networks have, with the taps unrolled and their numbers constant.
            if (h == 3 && w == 3 && g->kw == 3 && rows.from == 0) NAME(max_window)(y, where, x, line, channels, 0, 3, 3, 3);
            else if (h == 2 && w == 2 && g->kw == 2 && rows.from == 0) NAME(max_window)(y, where, x, line, channels, 0, 2, 2, 2);
            else NAME(max_window)(y, where, x, line, channels, rows.from * g->kw + columns.from, g->kw, h, w);
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

// One pixel's gradient from rows x columns windows, dy and where being those of the first. It is the window's tap
// number tap, and down and right fewer for each window further. where: NULL for an average, which counts all alike.
POOL void NAME(gather_pixel)(float *dx, const float *mask, const float *dy, const uint8_t *where, const rl_window *g,
                             int tap, int rows, int columns)
{
    int channels = g->ic, down = g->sh * g->kw, right = g->sw;
    int64_t line = (int64_t)g->ow * channels;
    FLOATS share = NAME(splat)(1.0f / (float)(g->kh * g->kw));
    for (int c = 0; c < channels; c += LANES) {
        int n = channels - c < LANES ? channels - c : LANES;
        FLOATS sum = { 0 };
#pragma GCC unroll 3
        for (int i = 0; i < rows; i++) {
#pragma GCC unroll 3
            for (int j = 0; j < columns; j++) {
                int64_t at = i * line + j * channels + c;
                FLOATS v = NAME(load)(dy + at, n);
                if (where) {
                    NAME(bytes) number = (uint8_t)(tap - i * down - j * right) - (NAME(bytes)){ 0 };
                    sum = NAME(add_where)(NAME(same_byte)(where + at, number, n), sum, v);
                } else {
                    sum += v;
                }
            }
        }
        if (!where) sum *= share;
        if (g->accumulate) sum += NAME(load)(dx + c, n);
        if (mask) sum = NAME(masked)(sum, NAME(load)(mask + c, n));
        NAME(store)(dx + c, sum, n);
    }
}

// Gradients, for the input rows [begin, end) of all images: each pixel gathers from the windows that hold it, so that
// it is written once, no two threads write to the same, and the sum's order is fixed.
POOL void NAME(backward_rows)(const pool *p, const rl_operands *op, int64_t begin, int64_t end, int max)
{
    const rl_window *g = &p->g;
    int channels = g->ic;
    const float *masks = g->mask ? op->src[max ? 2 : 1] : NULL;
    for (int64_t row = begin; row < end; row++) {
        int ih = (int)(row % g->ih);
        range rows = p->windows_h[ih];
        int64_t top = row / g->ih * g->oh + rows.from;
        int h = rows.to - rows.from, tap_row = (ih + g->ph - rows.from * g->sh) * g->kw;
        for (int iw = 0; iw < g->iw; iw++) {
            range columns = p->windows_w[iw];
            int w = columns.to - columns.from, tap = tap_row + iw + g->pw - columns.from * g->sw;
            int64_t at = (row * g->iw + iw) * channels, from = (top * g->ow + columns.from) * channels;
            float *dx = op->dst[0] + at;
            const float *mask = masks ? masks + at : NULL, *dy = op->src[0] + from;
            const uint8_t *where = max ? (const uint8_t *)op->src[1] + from : NULL;
            if (h == 3 && w == 3) NAME(gather_pixel)(dx, mask, dy, where, g, tap, 3, 3);
            else if (h == 2 && w == 2) NAME(gather_pixel)(dx, mask, dy, where, g, tap, 2, 2);
            else if (h == 1 && w == 1) NAME(gather_pixel)(dx, mask, dy, where, g, tap, 1, 1);
            else NAME(gather_pixel)(dx, mask, dy, where, g, tap, h, w);
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

#undef POOL
