//go:build onednn && cgo

#include "kernel_base.h"
#include "peak.h"

#include <omp.h>

// Two multiply-adds start a cycle and each takes four cycles, so eight independent chains keep the units busy. Twelve
// leave a margin, and with the two constants they fit the 16 registers of AVX2.
enum { CHAINS = 12 };

// The chains converge to 1, from above: neither overflow nor denormal numbers slow them down, and none starts at 1,
// where the compiler would see that it stays.
#define DEFINE_SPIN(name, lanes, attributes)                                                            \
    attributes static float name(int64_t iterations)                                                    \
    {                                                                                                   \
        typedef float vector __attribute__((vector_size(4 * lanes)));                                   \
        const vector keep = 0.5f - (vector){ 0 }, add = 0.5f - (vector){ 0 };                           \
        vector chain[CHAINS];                                                                           \
        _Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++) chain[i] = 2.0f + i - (vector){ 0 }; \
        for (int64_t n = 0; n < iterations; n++) {                                                      \
            _Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++) chain[i] = chain[i] * keep + add; \
        }                                                                                               \
        _Pragma("GCC unroll 12") for (int i = 1; i < CHAINS; i++) chain[0] += chain[i];                 \
        return chain[0][0];                                                                             \
    }

DEFINE_SPIN(spin_128, 4, )
#if defined(__x86_64__)
DEFINE_SPIN(spin_avx2, 8, __attribute__((target("avx2,fma"))))
DEFINE_SPIN(spin_avx512, 16, __attribute__((target("avx512f"))))
#endif

double rl_peak(int threads, int64_t iterations)
{
    float (*spin)(int64_t) = spin_128;
    int lanes = 4;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) spin = spin_avx512, lanes = 16;
    else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) spin = spin_avx2, lanes = 8;
#endif
    threads = rl_team_of_at_most(threads);
    double begin = 0;
    volatile float sink = 0;
#pragma omp parallel num_threads(threads)
    {
        // Nobody's time counts before all threads are there.
#pragma omp barrier
#pragma omp master
        begin = omp_get_wtime();
        float sum = spin(iterations);
#pragma omp critical
        sink += sum;
    }
    return 2.0 * CHAINS * lanes * (double)iterations * threads / (omp_get_wtime() - begin);
}
