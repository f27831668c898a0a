// Sums of products for conv_small_channels_backward_weights.c: over the pixels of some rows, for a few taps of the
// window and a few channels of the result.

#ifndef RINGLOOM_ONEDNN_CONV_SMALL_CHANNELS_SUMS_H
#define RINGLOOM_ONEDNN_CONV_SMALL_CHANNELS_SUMS_H

#include "conv_small_channels.h"

#if defined(__x86_64__)

typedef struct sc_span {
    const float *x;       // the first window's first tap of those that are summed; a window's taps lie side by side
    int64_t x_row;        // from a row's windows to the next one's
    int x_step;           // from one window to the next
    const int64_t *apart; // sc_tap_lanes: [vectors] each vector of taps' distance from x
    const float *dy;      // the first pixel's first channel
    int64_t dy_row;
    int pitch, channels;  // of dy; channels that exist
    int rows, pixels;
    int64_t ahead;        // from dy to what is asked for early
    float *sums;          // the span's are added to them
} sc_span;

typedef void (*sc_summer)(const sc_span *s);

// The kernel with a channel to the lane, sums [taps, vectors * 16]: vectors 1 or 2, at most SC_SUMS sums together.
sc_summer sc_sum_channel_lanes(int taps, int vectors);
// The kernel with a tap to the lane, sums [vectors, channels, 16]: up to 3 vectors, up to SC_CHANNELS channels. Of
// taps that do not exist the sums are without meaning.
sc_summer sc_sum_tap_lanes(int vectors, int channels);

enum { SC_TAP_VECTORS = 3 };

#endif
#endif
