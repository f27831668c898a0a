//go:build onednn && cgo

// Convolution of few channels, and its gradient with respect to the input, which is the same convolution of the
// output's gradient with the weights turned about. A strip of rows at a time is split into padded planes of one channel
// in memory that stays in the core's cache; tiles of the result are computed from those
// (conv_small_channels_pixel_lanes.c, conv_small_channels_channel_lanes.c) with every tap of the window at a fixed
// distance. A horizontal stride splits each plane further, into one for each remainder of the column, so that
// neighbours in the result always have neighbours as their input.

#include "conv_small_channels_transpose.h"

#if defined(__x86_64__)

enum { FLOAT = sizeof(float), LINE = 64 / sizeof(float), STRIP_BYTES = 128 << 10 };

// A result larger than this leaves the cache before anybody reads it. Writing past the cache spares the loads of lines
// that are overwritten.
enum { STREAM_BYTES = 32 << 20 };

typedef struct sc_conv {
    rl_kernel_base base;
    rl_window c;        // of the convolution that is computed: a gradient's input is dy
    int in_pitch;
    int turned;         // 1: the weights are turned about
    int rows, strips;   // rows of the result to a strip, strips to an image
    int in_rows;        // rows of the input that a strip needs
    int width;          // of a row of a plane
    int64_t row;        // elements from one row of all planes to the next
    int streams;        // 1: the result is to go past the cache
    int taps;
    int32_t *at;        // [taps] each tap's distance from the window's first element
    int64_t weights, bias, planes, thread; // offsets in the arena in elements; a thread's planes
} sc_conv;

static int pixel_lanes(const sc_conv *k) { return k->c.oc <= SC_CHANNELS; }

// Copies row y of image n into the planes; rows beside the image are zeros.
RL_AVX512 static void fill_row(const sc_conv *k, const float *x, int64_t n, int y, float *to)
{
    const rl_window *c = &k->c;
    if (y < 0 || y >= c->ih) {
        memset(to, 0, FLOAT * (size_t)k->row);
        return;
    }
    int skip = c->pw < 0 ? -c->pw : 0, left = c->pw > 0 ? c->pw : 0, count = c->iw - skip;
    x += ((n * c->ih + y) * c->iw + skip) * k->in_pitch;
    if (c->sw > 1) { // one channel only
        memset(to, 0, FLOAT * (size_t)k->row);
        for (int phase = 0; phase < c->sw; phase++) {
            float *plane = to + phase * k->width;
            for (int i = (phase + c->sw - left % c->sw) % c->sw; i < count && (i + left) / c->sw < k->width; i += c->sw)
                plane[(i + left) / c->sw] = x[(int64_t)i * k->in_pitch];
        }
        return;
    }
    for (int ch = 0; ch < c->ic; ch++) { // whole vectors: the pixels come after
        float *plane = to + ch * k->width;
        for (int i = 0; i < left; i += SC_VECTOR) _mm512_storeu_ps(plane + i, _mm512_setzero_ps());
        for (int i = (left + count) / SC_VECTOR * SC_VECTOR; i < k->width; i += SC_VECTOR)
            _mm512_storeu_ps(plane + i, _mm512_setzero_ps());
    }
    if (c->ic == 1 && k->in_pitch == 1) {
        memcpy(to + left, x, FLOAT * (size_t)count);
        return;
    }
    for (int ch = 0; ch < c->ic; ch += 16) {
        int channels = c->ic - ch < 16 ? c->ic - ch : 16;
        int dense = channels == c->ic ? k->in_pitch : 0; // of a range of channels no vector holds several pixels
        for (int i = 0; i < count; i += 16) {
            const float *from = x + (int64_t)i * k->in_pitch + ch;
            float *plane = to + ch * k->width + left + i;
            if (dense == 4 && channels == 4) sc_planes(from, 4, 4, count - i, plane, k->width);
            else if (dense == 8 && channels == 8) sc_planes(from, 8, 8, count - i, plane, k->width);
            else if (channels == 16) sc_planes(from, k->in_pitch, 16, count - i, plane, k->width);
            else sc_planes(from, k->in_pitch, channels, count - i, plane, k->width);
        }
    }
}

// One row of the result.
static void compute_row(const sc_conv *k, sc_tile *t, const float *arena, const float *x, float *y, const float *mask)
{
    const rl_window *c = &k->c;
    t->w = arena + k->weights;
    for (int o = 0; o < c->oc; o += t->channels) {
        int vectors = 1, run = 1, room = SC_SUMS * SC_VECTOR;
        if (pixel_lanes(k)) {
            t->channels = c->oc;
            room = SC_SUMS / c->oc > 7 ? 7 * SC_VECTOR : SC_SUMS / c->oc * SC_VECTOR;
        } else {
            t->channels = c->oc - o < 2 * SC_VECTOR ? c->oc - o : 2 * SC_VECTOR;
            vectors = (t->channels + SC_VECTOR - 1) / SC_VECTOR;
            room = SC_SUMS / vectors;
            run = vectors == 1 && c->sw == 1 && c->kw % 3 == 0 ? 3 : 1;
            if (run == 3) room = SC_RUN_SUMS;
        }
        // Tiles of about equal width.
        int unit = pixel_lanes(k) ? SC_VECTOR : 1, units = (c->ow + unit - 1) / unit;
        int tiles = (c->ow + room - 1) / room;
        t->bias = arena + k->bias + o;
        for (int i = 0; i < tiles; i++) {
            int begin = units * i / tiles, end = units * (i + 1) / tiles;
            int left = begin * unit;
            t->x = x + left;
            t->y = y + (int64_t)left * t->pitch + o;
            t->mask = mask ? mask + (int64_t)left * t->pitch + o : NULL;
            t->pixels = c->ow - left < (end - begin) * unit ? c->ow - left : (end - begin) * unit;
            (pixel_lanes(k) ? sc_pixel_lanes(end - begin, c->oc) : sc_channel_lanes(end - begin, vectors, run))(t);
        }
        t->w += (int64_t)k->taps * (pixel_lanes(k) ? c->oc : vectors * SC_VECTOR);
    }
}

// Asks for row y of all images' rows, counted through, for the next strip.
RL_AVX512 static void prefetch_row(const sc_conv *k, const float *x, int64_t y)
{
    int64_t len = (int64_t)k->c.iw * k->in_pitch;
    if (y >= (int64_t)k->c.n * k->c.ih) return;
    for (int64_t i = 0; i < len; i += LINE) _mm_prefetch((const char *)(x + y * len + i), _MM_HINT_T1);
}

static void forward_range(rl_kernel *kernel, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const sc_conv *k = (const sc_conv *)kernel;
    const rl_window *c = &k->c;
    float *arena = k->base.arena->data, *planes = arena + k->planes + thread * k->thread;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t n = unit / k->strips;
        int top = (int)(unit % k->strips) * k->rows, bottom = top + k->rows < c->oh ? top + k->rows : c->oh;
        for (int i = 0; i < (bottom - 1 - top) * c->sh + c->kh; i++)
            fill_row(k, op->src[0], n, top * c->sh - c->ph + i, planes + i * k->row);
        sc_tile t = { .at = k->at, .taps = k->taps, .pitch = c->pitch, .relu = c->relu, .accumulate = c->accumulate,
                       .stream = k->streams && (uintptr_t)op->dst[0] % 64 == 0 };
        int64_t next = n * c->ih + (bottom - 1) * c->sh - c->ph + c->kh;
        for (int h = top; h < bottom; h++) {
            for (int i = 0; i < c->sh; i++) prefetch_row(k, op->src[0], next + (h - top) * c->sh + i);
            int64_t at = (n * c->oh + h) * c->ow * c->pitch;
            compute_row(k, &t, arena, planes + (h - top) * c->sh * k->row, op->dst[0] + at,
                        c->mask ? op->src[2] + at : NULL);
        }
    }
    if (k->streams) _mm_sfence();
}

// Packs the weights [group of channels, taps, channels of the group] and the bias, with zeros behind the last channel.
static void pack(const sc_conv *k, const float *w, const float *bias, float *arena)
{
    const rl_window *c = &k->c;
    float *to = arena + k->weights;
    int kernel = c->kh * c->kw, group;
    for (int o = 0; o < c->oc; o += group) {
        group = pixel_lanes(k) ? c->oc : c->oc - o > SC_VECTOR ? 2 * SC_VECTOR : SC_VECTOR;
        for (int i = 0; i < c->kh; i++)
            for (int ch = 0; ch < c->ic; ch++)
                for (int j = 0; j < c->kw; j++)
                    for (int g = o; g < o + group; g++) {
                        int tap = i * c->kw + j;
                        if (g >= c->oc) *to++ = 0;
                        else if (k->turned) *to++ = w[((int64_t)ch * c->oc + g) * kernel + kernel - 1 - tap];
                        else *to++ = w[((int64_t)g * c->ic + ch) * kernel + tap];
                    }
    }
    to = arena + k->bias;
    memset(to, 0, FLOAT * (size_t)(sc_round_up(c->oc, 2 * SC_VECTOR)));
    if (bias) memcpy(to, bias, FLOAT * (size_t)c->oc);
}

static int forward_run(rl_kernel *kernel, const rl_operands *op)
{
    const sc_conv *k = (const sc_conv *)kernel;
    pack(k, op->src[1], k->turned || k->c.no_bias ? NULL : op->src[2], k->base.arena->data);
    rl_parallel(kernel, op, (int64_t)k->c.n * k->strips, 1, forward_range);
    return RL_OK;
}

static int create(const rl_device *d, rl_window c, int in_pitch, int turned, rl_kernel **out)
{
    sc_conv *k = rl_kernel_new(d, sizeof *k, "conv_small_channels", forward_run);
    if (!k) return RL_NO_MEMORY;
    k->c = c;
    k->in_pitch = in_pitch;
    k->turned = turned;
    int need = sc_round_up(c.ow, SC_VECTOR) + (c.kw - 1) / c.sw;
    int have = c.sw > 1 ? 0 : (c.pw > 0 ? c.pw : 0) + sc_round_up(c.iw, SC_VECTOR);
    k->width = sc_round_up(need > have ? need : have, SC_VECTOR);
    if (k->width / SC_VECTOR % 2 == 0) k->width += SC_VECTOR; // so that planes fall on different sets of the cache
    k->row = (int64_t)c.ic * c.sw * k->width;
    int64_t fit = (STRIP_BYTES / (FLOAT * k->row) - c.kh) / c.sh + 1;
    k->rows = fit < 1 ? 1 : fit > c.oh ? c.oh : (int)fit;
    k->strips = (c.oh + k->rows - 1) / k->rows;
    k->rows = (c.oh + k->strips - 1) / k->strips;
    k->strips = (c.oh + k->rows - 1) / k->rows;
    k->in_rows = (k->rows - 1) * c.sh + c.kh;
    int line = c.oc <= SC_CHANNELS ? c.ow * c.oc : c.oc; // what is stored together
    k->streams = !c.accumulate && c.pitch == c.oc && (c.oc % SC_VECTOR == 0 || c.oc == 8 || c.oc == 4) &&
                 line % LINE == 0 && (int64_t)c.n * c.oh * c.ow * c.oc * FLOAT > STREAM_BYTES;
    k->taps = c.kh * c.kw * c.ic;
    k->at = rl_kernel_block(k, (int64_t)sizeof *k->at * k->taps);
    for (int i = 0, t = 0; k->at && i < c.kh; i++)
        for (int ch = 0; ch < c.ic; ch++)
            for (int j = 0; j < c.kw; j++)
                k->at[t++] = (int32_t)(i * k->row + (ch * c.sw + j % c.sw) * k->width + j / c.sw);
    int channels = sc_round_up(c.oc, 2 * SC_VECTOR);
    k->bias = (int64_t)k->taps * channels;
    k->planes = k->bias + channels;
    k->thread = k->in_rows * k->row + 2 * SC_VECTOR;
    rl_kernel_share(k, FLOAT * (k->planes + d->threads * k->thread));
    return rl_kernel_finish(k, out);
}

int rl_conv_small_channels_forward(const rl_device *d, rl_window c, rl_kernel **out) { return create(d, c, c.ic, 0, out); }

int rl_conv_small_channels_backward_data(const rl_device *d, rl_window c, rl_kernel **out)
{
    rl_window g = c;
    g.ih = c.oh, g.iw = c.ow, g.ic = c.oc;
    g.oh = c.ih, g.ow = c.iw, g.oc = g.pitch = c.ic;
    g.ph = c.kh - 1 - c.ph, g.pw = c.kw - 1 - c.pw;
    return create(d, g, c.pitch, 1, out);
}

#else

int rl_conv_small_channels_forward(const rl_device *d, rl_window c, rl_kernel **out)
{
    return rl_plan_conv(d, c, RL_NHWC, RL_FORWARD, out);
}

int rl_conv_small_channels_backward_data(const rl_device *d, rl_window c, rl_kernel **out)
{
    return rl_plan_conv(d, c, RL_NHWC, RL_BACKWARD_DATA, out);
}

#endif
