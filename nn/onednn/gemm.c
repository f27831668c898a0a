//go:build onednn && cgo

// The micro-kernel holds a tile of C, up to 14 rows of 32 columns, in 28 registers. Each step of k loads two vectors of
// B and broadcasts one element of A a row: 16 loads for 28 multiply-adds, which the two load ports can keep up with.
// So tall a tile reads B at 9 bytes a cycle, which the second-level cache sustains, while its rows of A stay in
// the first.

#include "gemm.h"

#if defined(__x86_64__)

// Elements of B that should stay in the second-level cache while rows of A pass by.
enum { B_BLOCK = 160 << 10 };
// Elements of a cache line.
enum { LINE = 16 };
// Steps of k that B is fetched ahead: about the third-level cache's latency.
enum { AHEAD = 16 };

// What one tile needs; mask16 are the lanes of its last vector that exist.
typedef struct tile {
    const float *a, *b, *bias, *mask;
    float *c;
    int64_t lda, ldc;
    const float *next; // rows of A that a later tile reads: every line of next_rows of them is fetched ahead
    int next_rows;
    int k, accumulate, relu;
    __mmask16 last;
} tile;

RL_AVX512 RL_INLINE void finish(const tile *t, const int vector, const int vectors, int row, __m512 sum)
{
    const __m512 zero = _mm512_setzero_ps();
    __mmask16 lanes = vector == vectors - 1 ? t->last : 0xffff;
    float *c = t->c + row * t->ldc + 16 * vector;
    if (t->bias) sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(lanes, t->bias + 16 * vector));
    if (t->accumulate) sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(lanes, c));
    if (t->relu) sum = _mm512_max_ps(zero, sum); // in this order it keeps what is not a number
    if (t->mask) {
        __m512 m = _mm512_maskz_loadu_ps(lanes, t->mask + row * t->ldc + 16 * vector);
        sum = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(m, zero, _CMP_GT_OQ), sum);
    }
    _mm512_mask_storeu_ps(c, lanes, sum);
}

RL_AVX512 RL_INLINE void compute(const tile *t, const int rows, const int vectors, const int by_columns)
{
    __m512 sum[RL_TILE_ROWS][2];
    const float *a = t->a, *b = t->b, *half = a + (by_columns ? 0 : 7 * t->lda);
    const int64_t lda = t->lda;
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
        _mm_prefetch((const char *)(t->c + r * t->ldc), _MM_HINT_T0);
        if (vectors == 2) _mm_prefetch((const char *)(t->c + r * t->ldc + 16), _MM_HINT_T0);
        sum[r][0] = sum[r][1] = _mm512_setzero_ps();
    }
    for (int left = t->k; left > 0; left -= LINE) {
        int steps = left < LINE ? left : LINE;
        if (!by_columns) {
            const float *next = t->next + (t->k - left);
            for (int i = 0; i < t->next_rows; i++, next += lda) _mm_prefetch((const char *)next, _MM_HINT_T1);
        }
        do {
            __m512 b0 = _mm512_load_ps(b), b1;
            _mm_prefetch((const char *)(b + AHEAD * RL_PANEL), _MM_HINT_T0);
            if (vectors == 2) _mm_prefetch((const char *)(b + AHEAD * RL_PANEL + 16), _MM_HINT_T0);
            RL_KEEP(b0);
            if (vectors == 2) {
                b1 = _mm512_load_ps(b + 16);
                RL_KEEP(b1);
            }
#pragma GCC unroll 16
            for (int r = 0; r < rows; r++) {
                __m512 v = _mm512_set1_ps(by_columns ? a[r] : r < 7 ? a[r * lda] : half[(r - 7) * lda]);
                RL_KEEP(v);
                sum[r][0] = _mm512_fmadd_ps(v, b0, sum[r][0]);
                if (vectors == 2) sum[r][1] = _mm512_fmadd_ps(v, b1, sum[r][1]);
            }
            if (by_columns) a += lda;
            else a++, half++;
            b += RL_PANEL;
        } while (--steps);
    }
    if (t->last == 0xffff && !t->bias && !t->relu && !t->mask) {
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) {
                float *c = t->c + r * t->ldc + 16 * v;
                if (t->accumulate) sum[r][v] = _mm512_add_ps(sum[r][v], _mm512_loadu_ps(c));
                _mm512_storeu_ps(c, sum[r][v]);
            }
        return;
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
        finish(t, 0, vectors, r, sum[r][0]);
        if (vectors == 2) finish(t, 1, vectors, r, sum[r][1]);
    }
}

#define TILE(rows) \
    RL_AVX512 static void row_##rows##_1(const tile *t) { compute(t, rows, 1, 0); } \
    RL_AVX512 static void row_##rows##_2(const tile *t) { compute(t, rows, 2, 0); } \
    RL_AVX512 static void column_##rows##_1(const tile *t) { compute(t, rows, 1, 1); } \
    RL_AVX512 static void column_##rows##_2(const tile *t) { compute(t, rows, 2, 1); }
TILE(1) TILE(2) TILE(3) TILE(4) TILE(5) TILE(6) TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12) TILE(13) TILE(14)

#define TILES(rows) { { row_##rows##_1, row_##rows##_2 }, { column_##rows##_1, column_##rows##_2 } }
static void (*const tiles[RL_TILE_ROWS][2][2])(const tile *) = {
    TILES(1), TILES(2), TILES(3), TILES(4), TILES(5), TILES(6), TILES(7),
    TILES(8), TILES(9), TILES(10), TILES(11), TILES(12), TILES(13), TILES(14),
};

static void run_tile(const rl_gemm *g, int row, int rows, int column, int next, int next_rows)
{
    int columns = g->n - column < RL_PANEL ? g->n - column : RL_PANEL;
    tile t = {
        .a = g->a + (g->a_by_columns ? row : row * g->lda),
        .b = g->b + column / RL_PANEL * g->panel,
        .bias = g->bias ? g->bias + column : NULL,
        .mask = g->mask ? g->mask + row * g->ldc + column : NULL,
        .c = g->c + row * g->ldc + column,
        .next = g->a + next * g->lda, .next_rows = next_rows,
        .lda = g->lda, .ldc = g->ldc, .k = g->k, .accumulate = g->accumulate, .relu = g->relu,
        .last = (__mmask16)(0xffff >> ((16 - columns % 16) % 16)),
    };
    tiles[rows - 1][g->a_by_columns][columns > 16](&t);
}

void rl_gemm_run(const rl_gemm *g)
{
    // Rows in blocks of equal height: a short last block would use the units badly.
    int blocks = (g->m + RL_TILE_ROWS - 1) / RL_TILE_ROWS;
    int width = B_BLOCK / g->k / RL_PANEL * RL_PANEL;
    if (width < RL_PANEL) width = RL_PANEL;
    // With A by columns k is short, a panel of B fits the first-level cache and A goes by: one panel at a time.
    if (g->a_by_columns) width = RL_PANEL;
    for (int left = 0; left < g->n; left += width) {
        int right = g->n < left + width ? g->n : left + width, panels = (right - left + RL_PANEL - 1) / RL_PANEL;
        for (int i = 0; i < blocks; i++) {
            int row = (int)((int64_t)g->m * i / blocks), next = (int)((int64_t)g->m * (i + 1) / blocks);
            int after = i + 2 <= blocks ? (int)((int64_t)g->m * (i + 2) / blocks) : next;
            // Each panel fetches its share of the next rows.
            for (int p = 0; p < panels; p++) {
                int from = next + (after - next) * p / panels, to = next + (after - next) * (p + 1) / panels;
                run_tile(g, row, next - row, left + p * RL_PANEL, from, to - from);
            }
        }
    }
}

#endif
