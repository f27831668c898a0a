// Sums of products for few_backward_weights.c: over the pixels of some rows, for a few taps of the window and a few
// channels of the result.

#ifndef RINGLOOM_ONEDNN_FEW_SUMS_H
#define RINGLOOM_ONEDNN_FEW_SUMS_H

#include "few.h"

#if defined(__x86_64__)

typedef struct few_span {
    const float *x;       // the first window's first tap of those that are summed; a window's taps lie side by side
    int64_t x_row;        // from a row's windows to the next one's
    int x_step;           // from one window to the next
    const int64_t *apart; // few_tap_lanes: [vectors] each vector of taps' distance from x
    const float *dy;      // the first pixel's first channel
    int64_t dy_row;
    int pitch, channels;  // of dy; channels that exist
    int rows, pixels;
    int64_t ahead;        // from dy to what is asked for early
    float *sums;          // the span's are added to them
} few_span;

typedef void (*few_summer)(const few_span *s);

// The kernel with a channel to the lane, sums [taps, vectors * 16]: vectors 1 or 2, at most FEW_SUMS sums together.
few_summer few_sum_channel_lanes(int taps, int vectors);
// The kernel with a tap to the lane, sums [vectors, channels, 16]: up to 3 vectors, up to FEW_CHANNELS channels. Of
// taps that do not exist the sums are without meaning.
few_summer few_sum_tap_lanes(int vectors, int channels);

enum { FEW_TAP_VECTORS = 3 };

#endif
#endif
