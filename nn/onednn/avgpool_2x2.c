//go:build onednn && cgo

// Average pooling of 2x2 windows with stride 2 and few channels, in NHWC. oneDNN's NHWC kernels work on a pixel's
// channels as a vector; with 6 channels that leaves most lanes idle. Here a row is one flat span of ow*c floats, and a
// table says, for each vector of it, where its inputs lie and how to permute them. It is made once per kernel.

#include "kernel_base.h"

#if defined(__x86_64__)
#include <immintrin.h>

typedef struct entry {
    int32_t in, out;           // first lane's position in the input row and in the output row
    uint16_t low, high, lanes; // masks: input lanes 0-15 and 16-31 that are used, output lanes that are written
    uint16_t pad[5];
    int32_t index[16] __attribute__((aligned(64))); // input lane of each output lane
} entry;

typedef struct avgpool_2x2 {
    rl_kernel_base base;
    rl_window p;
    int entries;
    entry *table;
} avgpool_2x2;

// The position in the row of the large image of the left one of the pair that output element o averages.
static int left(const rl_window *p, int o) { return o / p->oc * 2 * p->oc + o % p->oc; }
// The position in the row of the small image that element o of the large image spreads from.
static int parent(const rl_window *p, int o) { return o / (2 * p->oc) * p->oc + o % p->oc; }

// Fills the table for a row of len outputs; returns the number of entries. An entry takes as many outputs, up to 16,
// as reach no further than reach lanes from its first input.
static int fill(entry *table, const rl_window *p, int len, int (*source)(const rl_window *, int), int reach)
{
    int entries = 0;
    for (int o = 0; o < len;) {
        entry *e = &table[entries++];
        e->out = o;
        e->in = source(p, o);
        for (int i = o; i < len && i < o + 16; i++) // a later lane can lie before the first: parent() steps back
            if (source(p, i) < e->in) e->in = source(p, i);
        int lane = 0;
        for (; lane < 16 && o < len; lane++, o++) {
            int from = source(p, o) - e->in;
            if (from >= reach) break;
            e->index[lane] = from;
            e->lanes |= (uint16_t)(1u << lane);
            if (from < 16) e->low |= (uint16_t)(1u << from);
            else e->high |= (uint16_t)(1u << (from - 16));
        }
    }
    return entries;
}

RL_AVX512 RL_INLINE __m512 pair_sum(const float *a, const float *b, __mmask16 m)
{
    return _mm512_add_ps(_mm512_maskz_loadu_ps(m, a), _mm512_maskz_loadu_ps(m, b));
}

RL_AVX512 static void forward_range(rl_kernel *k, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const avgpool_2x2 *h = (const avgpool_2x2 *)k;
    int c = h->p.ic, entries = h->entries;
    int64_t in_row = (int64_t)h->p.iw * c, out_row = (int64_t)h->p.ow * c;
    __m512 quarter = _mm512_set1_ps(0.25f);
    (void)thread;
    for (int64_t n = begin; n < end; n++) {
        for (int y = 0; y < h->p.oh; y++) {
            const float *top = op->src[0] + (n * h->p.ih + 2 * y) * in_row, *bottom = top + in_row;
            float *dst = op->dst[0] + (n * h->p.oh + y) * out_row;
            for (int i = 0; i < entries; i++) {
                const entry *e = &h->table[i];
                const float *a = top + e->in, *b = bottom + e->in;
                __m512i index = _mm512_load_si512(e->index);
                __m512 l = _mm512_permutex2var_ps(pair_sum(a, b, e->low), index, pair_sum(a + 16, b + 16, e->high));
                a += c, b += c;
                __m512 r = _mm512_permutex2var_ps(pair_sum(a, b, e->low), index, pair_sum(a + 16, b + 16, e->high));
                _mm512_mask_storeu_ps(dst + e->out, e->lanes, _mm512_mul_ps(_mm512_add_ps(l, r), quarter));
            }
        }
    }
}

RL_AVX512 static void backward_range(rl_kernel *k, const rl_operands *op, int64_t begin, int64_t end, int thread)
{
    const avgpool_2x2 *h = (const avgpool_2x2 *)k;
    int c = h->p.ic, entries = h->entries;
    int64_t in_row = (int64_t)h->p.iw * c, out_row = (int64_t)h->p.ow * c;
    __m512 quarter = _mm512_set1_ps(0.25f);
    (void)thread;
    for (int64_t n = begin; n < end; n++) {
        for (int y = 0; y < h->p.oh; y++) {
            const float *dy = op->src[0] + (n * h->p.oh + y) * out_row;
            float *top = op->dst[0] + (n * h->p.ih + 2 * y) * in_row, *bottom = top + in_row;
            for (int i = 0; i < entries; i++) {
                const entry *e = &h->table[i];
                __m512 g = _mm512_mul_ps(_mm512_maskz_loadu_ps(e->low, dy + e->in), quarter);
                g = _mm512_permutexvar_ps(_mm512_load_si512(e->index), g);
                _mm512_mask_storeu_ps(top + e->out, e->lanes, g);
                _mm512_mask_storeu_ps(bottom + e->out, e->lanes, g);
            }
        }
    }
}

static int forward_run(rl_kernel *k, const rl_operands *op)
{
    rl_parallel(k, op, ((avgpool_2x2 *)k)->p.n, 1, forward_range);
    return RL_OK;
}

static int backward_run(rl_kernel *k, const rl_operands *op)
{
    rl_parallel(k, op, ((avgpool_2x2 *)k)->p.n, 1, backward_range);
    return RL_OK;
}

int rl_avgpool_2x2_forward(const rl_device *d, rl_window p, rl_kernel **out)
{
    avgpool_2x2 *h = rl_kernel_new(d, sizeof *h, "avgpool_2x2", forward_run);
    if (!h) return RL_NO_MEMORY;
    h->p = p;
    // At least one output an entry.
    h->table = rl_kernel_block(h, (int64_t)p.ow * p.oc * (int64_t)sizeof(entry));
    if (h->table) h->entries = fill(h->table, &p, p.ow * p.oc, left, 32);
    return rl_kernel_finish(h, out);
}

int rl_avgpool_2x2_backward(const rl_device *d, rl_window p, rl_kernel **out)
{
    avgpool_2x2 *h = rl_kernel_new(d, sizeof *h, "avgpool_2x2", backward_run);
    if (!h) return RL_NO_MEMORY;
    h->p = p;
    h->table = rl_kernel_block(h, (int64_t)p.iw * p.ic * (int64_t)sizeof(entry));
    if (h->table) h->entries = fill(h->table, &p, p.iw * p.ic, parent, 16);
    return rl_kernel_finish(h, out);
}

#else

int rl_avgpool_2x2_forward(const rl_device *d, rl_window p, rl_kernel **out) { return rl_pool(d, RL_AVG_FORWARD, p, out); }
int rl_avgpool_2x2_backward(const rl_device *d, rl_window p, rl_kernel **out) { return rl_pool(d, RL_AVG_BACKWARD, p, out); }

#endif
