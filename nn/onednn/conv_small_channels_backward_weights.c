//go:build onednn && cgo

// The weights' gradient of a convolution of few channels. A strip of rows of the input, padded, is copied to memory
// that stays in the core's cache, so that the taps of a row of the window lie side by side. Of one input channel all
// rows of the window are woven into one another, so that all taps do: three to a row would use little of a vector. With
// many channels of the result the vector is those, with few (up to 8) it is the taps; see conv_small_channels_sums.c. A
// strip's products are added to the thread's sums in registers, and the threads' sums to one another at the end, in
// their order.

#include "conv_small_channels_sums.h"

#if defined(__x86_64__)

enum { FLOAT = sizeof(float), STRIP_BYTES = 40 << 10, WOVEN_ROWS = 7 };

typedef struct sc_weights {
    rl_kernel_base base;
    rl_window c;
    int woven;          // rows of the window that are woven into one another: kh or 1
    int width;          // columns of a row in the strip
    int64_t row;        // elements of a row in the strip
    int rows, strips;   // rows of the result to a strip, strips to an image
    int bands, taps;    // woven * bands = kh; taps side by side, of one band
    int tap_lanes;      // 1: taps in the lanes, 0: channels
    int vectors;        // taps in the lanes: vectors that hold a band's taps
    int64_t *apart;     // taps in the lanes: [bands * vectors] each one's distance from the window
    int32_t *index;     // [bands * taps] where a tap lies in the weights of one channel of the result
    int64_t bias_at;    // in a thread's sums
    int64_t sums, strip, x; // elements: of a thread's sums, of its strip; where the strips begin in the arena
} sc_weights;

// Copies a row of the image (zeros beside it) with its padding.
static void pad_row(const sc_weights *k, const float *x, int64_t n, int y, float *to)
{
    const rl_window *c = &k->c;
    int64_t left = (int64_t)c->pw * c->ic, count = (int64_t)c->iw * c->ic, all = (int64_t)k->width * c->ic;
    if (y < 0 || y >= c->ih) {
        memset(to, 0, FLOAT * (size_t)all);
        return;
    }
    for (int64_t i = 0; i < left; i++) to[i] = 0;
    memcpy(to + left, x + (n * c->ih + y) * count, FLOAT * (size_t)count);
    for (int64_t i = left + count; i < all; i++) to[i] = 0;
}

// Weaves rows of one channel, width apart, into [width, rows].
RL_AVX512 RL_INLINE void weave_rows(const sc_weights *k, const float *from, float *to, const int rows)
{
    __m512i column[WOVEN_ROWS]; // of each lane
    __mmask16 mask[WOVEN_ROWS][WOVEN_ROWS];
#pragma GCC unroll 7
    for (int v = 0; v < rows; v++) {
        int32_t at[SC_VECTOR];
        for (int r = 0; r < rows; r++) mask[v][r] = 0;
        for (int lane = 0; lane < SC_VECTOR; lane++) {
            at[lane] = (v * SC_VECTOR + lane) / rows;
            mask[v][(v * SC_VECTOR + lane) % rows] |= (__mmask16)(1u << lane);
        }
        column[v] = _mm512_loadu_si512(at);
    }
    for (int x = 0; x < k->width; x += SC_VECTOR, from += SC_VECTOR)
#pragma GCC unroll 7
        for (int v = 0; v < rows; v++, to += SC_VECTOR) {
            __m512 out = _mm512_permutexvar_ps(column[v], _mm512_loadu_ps(from));
#pragma GCC unroll 7
            for (int r = 1; r < rows; r++)
                out = _mm512_mask_permutexvar_ps(out, mask[v][r], column[v], _mm512_loadu_ps(from + r * k->width));
            _mm512_storeu_ps(to, out);
        }
}

RL_AVX512 static void weave(const sc_weights *k, const float *from, float *to)
{
    switch (k->woven) {
    case 2: return weave_rows(k, from, to, 2);
    case 3: return weave_rows(k, from, to, 3);
    case 4: return weave_rows(k, from, to, 4);
    case 5: return weave_rows(k, from, to, 5);
    case 6: return weave_rows(k, from, to, 6);
    case 7: return weave_rows(k, from, to, 7);
    }
}

// Prepares the windows of rows top to bottom of the result.
static void fill(const sc_weights *k, const float *x, int64_t n, int top, int bottom, float *strip)
{
    const rl_window *c = &k->c;
    int rows = (bottom - 1 - top) * c->sh + c->kh;
    float *padded = k->woven == 1 ? strip : strip + k->rows * k->row;
    for (int i = 0; i < rows; i++) pad_row(k, x, n, top * c->sh - c->ph + i, padded + (int64_t)i * k->width * c->ic);
    if (k->woven == 1) return;
    for (int h = 0; h < bottom - top; h++) weave(k, padded + (int64_t)h * c->sh * k->width, strip + h * k->row);
}

// Adds up dy's rows by channel: sums [16] where the channels divide 16 (lane l is of channel l mod them), else
// [channels rounded up].
RL_AVX512 static void sum_bias(const rl_window *c, const float *dy, int rows, float *sums)
{
    int64_t pixels = (int64_t)rows * c->ow;
    int dense = c->pitch == c->oc && SC_VECTOR % c->oc == 0;
    if (dense) pixels = (pixels * c->oc + SC_VECTOR - 1) / SC_VECTOR;
    int step = dense ? SC_VECTOR : c->pitch, channels = dense ? SC_VECTOR : c->oc;
    for (int o = 0; o < channels; o += SC_VECTOR) {
        __mmask16 lanes = sc_lanes(channels - o);
        __m512 sum[4] = { _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps() };
        const float *from = dy + o;
        int64_t p = 0, whole = dense ? (int64_t)rows * c->ow * c->oc / SC_VECTOR : pixels;
        for (; p + 4 <= whole; p += 4, from += 4 * step)
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++) sum[i] = _mm512_add_ps(sum[i], _mm512_maskz_loadu_ps(lanes, from + i * step));
        for (; p < pixels; p++, from += step) {
            if (dense && p == whole) lanes = sc_lanes((int)((int64_t)rows * c->ow * c->oc % SC_VECTOR));
            sum[0] = _mm512_add_ps(sum[0], _mm512_maskz_loadu_ps(lanes, from));
        }
        sum[0] = _mm512_add_ps(_mm512_add_ps(sum[0], sum[1]), _mm512_add_ps(sum[2], sum[3]));
        _mm512_store_ps(sums + o, _mm512_add_ps(_mm512_load_ps(sums + o), sum[0]));
    }
}

static void sum_tap_lanes(const sc_weights *k, sc_span *s, float *sums)
{
    const float *dy = s->dy;
    int all = k->bands * k->vectors;
    for (int o = 0; o < k->c.oc; o += SC_CHANNELS) {
        s->channels = k->c.oc - o < SC_CHANNELS ? k->c.oc - o : SC_CHANNELS;
        s->dy = dy + o;
        for (int v = 0; v < all; v += SC_TAP_VECTORS) {
            int vectors = all - v < SC_TAP_VECTORS ? all - v : SC_TAP_VECTORS;
            s->apart = k->apart + v;
            s->sums = sums;
            sums += vectors * s->channels * SC_VECTOR;
            sc_sum_tap_lanes(vectors, s->channels)(s);
            s->ahead = 0;
        }
    }
}

static void sum_channel_lanes(const sc_weights *k, sc_span *s, float *sums)
{
    const float *x = s->x, *dy = s->dy;
    int64_t ahead = s->ahead;
    for (int o = 0; o < k->c.oc; o += s->channels) {
        s->channels = k->c.oc - o < 2 * SC_VECTOR ? k->c.oc - o : 2 * SC_VECTOR;
        int vectors = (s->channels + SC_VECTOR - 1) / SC_VECTOR, most = SC_SUMS / vectors;
        int parts = (k->taps + most - 1) / most;
        s->dy = dy + o;
        for (int band = 0; band < k->bands; band++)
            for (int i = 0; i < parts; i++) {
                int begin = k->taps * i / parts, end = k->taps * (i + 1) / parts;
                s->ahead = band + i == 0 ? ahead : 0;
                s->x = x + band * k->row + begin;
                s->sums = sums;
                sums += (int64_t)(end - begin) * vectors * SC_VECTOR;
                sc_sum_channel_lanes(end - begin, vectors)(s);
            }
    }
}

static void backward_range(rl_kernel *kernel, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const sc_weights *k = (const sc_weights *)kernel;
    const rl_window *c = &k->c;
    float *arena = k->base.arena->data, *sums = arena + thread * k->sums, *strip = arena + k->x + thread * k->strip;
    memset(sums, 0, FLOAT * (size_t)k->sums);
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t n = unit / k->strips;
        int top = (int)(unit % k->strips) * k->rows, bottom = top + k->rows < c->oh ? top + k->rows : c->oh;
        sc_span s = {
            .x = strip, .x_row = k->woven > 1 ? k->row : c->sh * k->row, .x_step = c->sw * c->ic * k->woven,
            .dy = op->src[0] + (n * c->oh + top) * c->ow * c->pitch, .dy_row = (int64_t)c->ow * c->pitch,
            .pitch = c->pitch, .rows = bottom - top, .pixels = c->ow,
            .ahead = (int64_t)(bottom - top) * c->ow * c->pitch,
        };
        fill(k, op->src[1], n, top, bottom, strip);
        if (!c->no_bias) sum_bias(c, s.dy, s.rows, sums + k->bias_at);
        if (k->tap_lanes) sum_tap_lanes(k, &s, sums);
        else sum_channel_lanes(k, &s, sums);
    }
}

// Adds up the threads' sums at one place.
static float total(const sc_weights *k, int64_t at)
{
    const float *sums = (const float *)k->base.arena->data + at;
    float sum = 0;
    for (int t = 0; t < k->base.kernel.threads; t++) sum += sums[t * k->sums];
    return sum;
}

static int backward_run(rl_kernel *kernel, const rl_operands *op)
{
    const sc_weights *k = (const sc_weights *)kernel;
    const rl_window *c = &k->c;
    rl_parallel(kernel, op, (int64_t)c->n * k->strips, 1, backward_range);
    int all = k->bands * k->taps, weights = c->ic * c->kh * c->kw;
    for (int o = 0; o < c->oc; o++)
        for (int u = 0; u < all; u++) {
            int64_t at;
            if (k->tap_lanes) {
                int t = u % k->taps, v = u / k->taps * k->vectors + t / SC_VECTOR;
                // [groups of channels, vectors, channels of the group]: kernels of several vectors change nothing.
                int group = o / SC_CHANNELS * SC_CHANNELS;
                int channels = c->oc - group < SC_CHANNELS ? c->oc - group : SC_CHANNELS;
                at = (((int64_t)group * k->bands * k->vectors) + v * channels + o - group) * SC_VECTOR + t % SC_VECTOR;
            } else {
                int group = o / (2 * SC_VECTOR), rest = c->oc - group * 2 * SC_VECTOR;
                int lanes = rest > SC_VECTOR ? 2 * SC_VECTOR : SC_VECTOR;
                at = (int64_t)group * 2 * SC_VECTOR * all + u * lanes + o % (2 * SC_VECTOR);
            }
            op->dst[0][(int64_t)o * weights + k->index[u]] = total(k, at);
        }
    if (c->no_bias) return RL_OK;
    int dense = c->pitch == c->oc && SC_VECTOR % c->oc == 0;
    for (int o = 0; o < c->oc; o++) {
        op->dst[1][o] = 0;
        for (int l = o; l < (dense ? SC_VECTOR : o + 1); l += c->oc) op->dst[1][o] += total(k, k->bias_at + l);
    }
    return RL_OK;
}

int rl_conv_small_channels_backward_weights(const rl_device *d, rl_window c, rl_kernel **out)
{
    sc_weights *k = rl_kernel_new(d, sizeof *k, "conv_small_channels", backward_run);
    if (!k) return RL_NO_MEMORY;
    k->c = c;
    int taps = c.kw * c.ic;
    // Taps fill the lanes better than fewer channels than lanes; and for 16 channels they need fewer loads.
    int few = c.oc <= SC_CHANNELS || (c.oc <= SC_VECTOR && taps % SC_VECTOR == 0);
    k->tap_lanes = few;
    k->woven = c.ic == 1 && c.kh <= WOVEN_ROWS && c.kw <= (few ? 16 : 5) ? c.kh : 1;
    k->width = sc_round_up(c.iw + 2 * c.pw, SC_VECTOR);
    k->bands = c.kh / k->woven;
    k->taps = k->woven * taps;
    k->row = (int64_t)k->width * k->woven * c.ic;
    int64_t of_row = k->row + (int64_t)c.ow * c.pitch, fit = STRIP_BYTES / (FLOAT * of_row);
    k->rows = fit < 1 ? 1 : fit > c.oh ? c.oh : (int)fit;
    k->strips = (c.oh + k->rows - 1) / k->rows;
    k->rows = (c.oh + k->strips - 1) / k->strips;
    k->strips = (c.oh + k->rows - 1) / k->rows;
    k->vectors = few ? (k->taps + SC_VECTOR - 1) / SC_VECTOR : 0;
    k->apart = rl_kernel_block(k, (int64_t)sizeof *k->apart * (k->bands * k->vectors + 1));
    for (int v = 0; k->apart && v < k->bands * k->vectors; v++)
        k->apart[v] = v / k->vectors * k->row + v % k->vectors * SC_VECTOR;
    k->index = rl_kernel_block(k, (int64_t)sizeof *k->index * k->bands * k->taps);
    for (int u = 0; k->index && u < k->bands * k->taps; u++) {
        int band = u / k->taps, t = u % k->taps, inner = k->woven * c.ic; // [bands, kw, woven, ic]
        k->index[u] = t % c.ic * c.kh * c.kw + (band + t % inner / c.ic) * c.kw + t / inner;
    }
    int lanes = few ? c.oc : sc_round_up(c.oc, SC_VECTOR);
    k->bias_at = few ? (int64_t)k->bands * k->vectors * c.oc * SC_VECTOR : (int64_t)k->bands * k->taps * lanes;
    k->sums = k->bias_at + sc_round_up(c.oc, SC_VECTOR);
    int in_rows = (k->rows - 1) * c.sh + c.kh;
    k->strip = (int64_t)in_rows * k->width * c.ic + (k->woven > 1 ? k->rows * k->row : 0) + 2 * SC_VECTOR;
    k->strip = (k->strip + 15) / 16 * 16;
    k->x = d->threads * k->sums;
    rl_kernel_share(k, FLOAT * (k->x + d->threads * k->strip));
    return rl_kernel_finish(k, out);
}

#else

int rl_conv_small_channels_backward_weights(const rl_device *d, rl_window c, rl_kernel **out)
{
    return rl_plan_conv(d, c, RL_NHWC, RL_BACKWARD_WEIGHTS, out);
}

#endif
