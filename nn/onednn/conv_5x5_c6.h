// What the kernels of the convolution of 6 channels share; see conv_5x5_c6_forward.c.

#ifndef RINGLOOM_ONEDNN_CONV_5X5_C6_H
#define RINGLOOM_ONEDNN_CONV_5X5_C6_H

#include "kernel_base.h"

#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>

// The shape that these kernels are compiled for; heights, the batch and multiples of the pixels are free.
enum {
    C6_IN = 6,
    C6_OUT = 16, // one vector
    C6_KERNEL_W = 5,
    C6_SPAN = C6_KERNEL_W * C6_IN, // a window's row in NHWC: this many contiguous floats
    C6_PIXELS = 10                         // output pixels of a row that are worked on together
};

typedef struct c6_conv {
    rl_kernel_base base;
    rl_window c;
    float *packed;  // weights, in the order that the kernel reads them
    float *scratch; // [threads, ...]
} c6_conv;

#endif
#endif
