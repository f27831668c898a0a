// What the stub has beside the driver API. The declarations are weak: a program that was linked with a toolkit's libcuda
// instead finds the addresses NULL.
#ifndef RINGLOOM_STUB_H
#define RINGLOOM_STUB_H

#include "cuda.h"

// ringloom_stub_init loads the driver and calls its cuInit. CUDA_ERROR_NOT_INITIALIZED: it could not be loaded.
__attribute__((weak)) CUresult ringloom_stub_init(void);

// ringloom_stub_problem is one line that says why the driver could not be loaded, in the loader's words; NULL: it was.
__attribute__((weak)) const char *ringloom_stub_problem(void);

// ringloom_stub_missing is the symbol that the driver was last found to lack; NULL: none.
__attribute__((weak)) const char *ringloom_stub_missing(void);

#endif
