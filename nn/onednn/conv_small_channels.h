// Convolutions of few channels, where oneDNN's kernels pad the channels to 16 and waste their lanes; see
// conv_small_channels_forward.c and conv_small_channels_backward_weights.c.

#ifndef RINGLOOM_ONEDNN_CONV_SMALL_CHANNELS_H
#define RINGLOOM_ONEDNN_CONV_SMALL_CHANNELS_H

#include "kernel_base.h"

int rl_conv_small_channels_forward(const rl_device *d, rl_window c, rl_kernel **out);
int rl_conv_small_channels_backward_data(const rl_device *d, rl_window c, rl_kernel **out);
int rl_conv_small_channels_backward_weights(const rl_device *d, rl_window c, rl_kernel **out);

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

enum {
    SC_VECTOR = 16,
    SC_SUMS = 28,    // vectors of sums that a tile keeps in registers; the others hold its operands
    SC_RUN_SUMS = 26, // the same where three vectors of weights stay in registers too
    SC_CHANNELS = 8,  // results of up to so many channels are computed with 16 pixels to the vector
};

// What a tile is computed from: sum over t of w[t] x[at[t] + pixel], for a few pixels and channels of a row.
typedef struct sc_tile {
    const float *x;    // planes of the input, at the tile's first pixel
    const int32_t *at; // [taps]
    int taps;
    const float *w;    // [taps, channels of the tile]
    const float *bias; // [channels of the tile]
    float *y;          // the tile's first pixel in the result
    const float *mask; // the same in the mask, or NULL
    int pitch;         // of the result and the mask
    int channels;      // that the tile stores
    int pixels;        // that it stores; with a channel to the lane it computes as many
    int relu, accumulate;
    int stream;        // 1: the result goes past the cache
} sc_tile;

typedef void (*sc_kernel)(const sc_tile *t);

// The kernel for so many vectors of 16 pixels and so many channels, at most SC_SUMS together and at most SC_CHANNELS.
sc_kernel sc_pixel_lanes(int vectors, int channels);
// The kernel for so many pixels and so many vectors of 16 channels (1 or 2), at most SC_SUMS together. The taps come in
// runs of neighbours, 1 or 3 (3 with one vector only, and up to SC_RUN_SUMS pixels): of a run only the first one's
// distance counts.
sc_kernel sc_channel_lanes(int pixels, int vectors, int run);

static inline int sc_round_up(int n, int unit) { return (n + unit - 1) / unit * unit; }

// The mask of the lanes below n.
RL_INLINE __mmask16 sc_lanes(int n) { return n >= SC_VECTOR ? 0xffff : n <= 0 ? 0 : (__mmask16)((1u << n) - 1); }

// What becomes of 16 results on their way to memory, of which lanes exist: op.Gather and the fused ReLU. Where they go
// past the cache either all lanes exist or none.
RL_AVX512 RL_INLINE void sc_store(const sc_tile *t, int64_t at, __m512 v, __mmask16 lanes)
{
    if (t->accumulate) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(lanes, t->y + at));
    if (t->relu) v = _mm512_max_ps(_mm512_setzero_ps(), v); // in this order it keeps what is not a number
    if (t->mask) {
        __m512 m = _mm512_maskz_loadu_ps(lanes, t->mask + at);
        v = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(m, _mm512_setzero_ps(), _CMP_GT_OQ), v);
    }
    if (!t->stream) _mm512_mask_storeu_ps(t->y + at, lanes, v);
    else if (lanes == 0xffff) _mm512_stream_ps(t->y + at, v);
}

#endif
#endif
