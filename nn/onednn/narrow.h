// What the kernels of the narrow convolution share; see narrow_forward.c.

#ifndef RINGLOOM_ONEDNN_NARROW_H
#define RINGLOOM_ONEDNN_NARROW_H

#include "own.h"

#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>

// The shape that these kernels are compiled for; heights, the batch and multiples of the pixels are free.
enum {
    NARROW_IN = 6,
    NARROW_OUT = 16, // one vector
    NARROW_KERNEL_W = 5,
    NARROW_SPAN = NARROW_KERNEL_W * NARROW_IN, // a window's row in NHWC: this many contiguous floats
    NARROW_PIXELS = 10                         // output pixels of a row that are worked on together
};

typedef struct narrow {
    rl_own own;
    rl_window c;
    float *packed;  // weights, in the order that the kernel reads them
    float *scratch; // [threads, ...]
} narrow;

#endif
#endif
