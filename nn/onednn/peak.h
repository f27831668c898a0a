// The float32 peak of the processor, for benchmarks to compare with.

#ifndef RINGLOOM_ONEDNN_PEAK_H
#define RINGLOOM_ONEDNN_PEAK_H

#include <stdint.h>

// Runs the widest fused multiply-adds that the processor has, in registers, on that many OpenMP threads at once, and
// returns the FLOP/s of all together.
double rl_peak(int threads, int64_t iterations);

#endif
