// Compiles a file of C, RL_BODY, once for each instruction set, so that one text serves all processors. In the body
// NAME(f) is this version's f, TARGET goes before each function, and LANES, FLOATS, INTS, MASK and the functions below
// make vectors. Plain loops are left to the compiler, which vectorises them for the TARGET; #pragma GCC ivdep tells it
// that operands do not overlap (but for equal ones, which do no harm). Pick a version with RL_PICK.

#include "kernel_base.h"

#include <math.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)
#define NAME(f) JOIN(f, SUFFIX)
#define FLOATS NAME(floats)
#define INTS NAME(ints)

#if defined(__x86_64__)
#define SUFFIX avx512
#define LANES 16
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2,prefer-vector-width=512")))
#define MASK __mmask16
#include "vector.h"
#include RL_BODY
#undef SUFFIX
#undef LANES
#undef TARGET
#undef MASK

#define MASK INTS
#define SUFFIX avx2
#define LANES 8
#define TARGET __attribute__((target("avx2,fma")))
#include "vector.h"
#include RL_BODY
#undef SUFFIX
#undef LANES
#undef TARGET
#else
#define MASK INTS
#endif

#define SUFFIX any
#define LANES 4
#define TARGET
#include "vector.h"
#include RL_BODY
