// What the kernels that are written here share: memory that goes with the kernel, and a split over threads.

#ifndef RINGLOOM_ONEDNN_KERNEL_BASE_H
#define RINGLOOM_ONEDNN_KERNEL_BASE_H

#include "kernel.h"

#include <stddef.h>

#if defined(__x86_64__)
#define RL_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
#define RL_INLINE static inline __attribute__((always_inline))
// Keeps a loaded vector in a register: compilers else repeat the load in every instruction that uses it, and two load
// ports cannot feed two multiply-adds a cycle.
#define RL_KEEP(vector) __asm__("" : "+v"(vector))
#endif

enum { RL_KERNEL_BLOCKS = 8 };

// Working memory that all kernels of a device share, since one runs at a time: its contents do not outlast a run. It
// grows while kernels are made, so data may change between two runs.
typedef struct rl_arena {
    void *data;
    int64_t bytes;
} rl_arena;

// Every such kernel's struct begins with this.
typedef struct rl_kernel_base {
    rl_kernel kernel;
    rl_arena *arena;
    int blocks, failed;
    void *block[RL_KERNEL_BLOCKS];
} rl_kernel_base;

// The largest team of at most so many that OpenMP gives the calling thread, which then has it.
int rl_team_of_at_most(int threads);

// Zeroed memory, aligned to at least 64 bytes; NULL when there is none. rl_free frees it.
void *rl_scratch(int64_t bytes);

// Makes the arena at least that large. Returns 0 without memory; the arena is then as it was.
int rl_arena_reserve(rl_arena *a, int64_t bytes);

// Allocates a zeroed kernel of size bytes (a struct that begins with rl_kernel_base); NULL without memory.
void *rl_kernel_new(const rl_device *d, size_t size, const char *impl, int (*run)(rl_kernel *, const rl_operands *));
// Gives the kernel zeroed scratch memory that is freed with it. A failure is remembered for rl_kernel_finish.
void *rl_kernel_block(void *kernel, int64_t bytes);
// Asks for working memory in the arena, base.arena->data at each run. A failure is remembered for rl_kernel_finish.
void rl_kernel_share(void *kernel, int64_t bytes);
// Hands the kernel over, or frees it and returns RL_NO_MEMORY. kernel may be NULL.
int rl_kernel_finish(void *kernel, rl_kernel **out);

// fn works on [begin, end) of the split axis; thread numbers its scratch memory.
typedef void (*rl_range)(rl_kernel *k, const rl_operands *op, int64_t begin, int64_t end, int thread);
// Splits [0, n) over the kernel's threads in multiples of grain. Every thread number is called, with an empty range
// if need be.
void rl_parallel(rl_kernel *k, const rl_operands *op, int64_t n, int64_t grain, rl_range fn);

// One of the three functions that versions.h makes of a body, for the device's instruction set.
#if defined(__x86_64__)
#define RL_PICK(d, name) \
    ((d)->level == RL_LEVEL_AVX512 ? name##_avx512 : (d)->level == RL_LEVEL_AVX2 ? name##_avx2 : name##_any)
#else
#define RL_PICK(d, name) ((void)(d), name##_any)
#endif

#endif
