// What the kernels of the narrow convolution share; see narrow_forward.c.

#ifndef RINGLOOM_ONEDNN_NARROW_H
#define RINGLOOM_ONEDNN_NARROW_H

#include "own.h"

#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>

enum {
    NARROW_OUT = 16,   // output channels: one vector
    NARROW_PIXELS = 10 // output pixels of a row that are worked on together
};

typedef struct narrow {
    rl_own own;
    rl_window c;
    int span;       // kw*ic: the inputs of one pixel's window in one row are this many contiguous floats
    float *packed;  // weights, in the order that the kernel reads them
    float *scratch; // [threads, ...]
    int64_t scratch_len;
} narrow;

#endif
#endif
