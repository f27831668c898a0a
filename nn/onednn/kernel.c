//go:build onednn && cgo

#include "kernel_base.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// Large buffers are aligned to a huge page so that the kernel of the operating system can back them with one: a
// LeNet step streams through tens of megabytes, and 4 KiB pages cost it TLB misses.
enum { CACHE_LINE = 64, HUGE_PAGE = 2 << 20 };

void *rl_scratch(int64_t bytes)
{
    void *p = NULL;
    if (bytes < 1) bytes = 1;
    if (posix_memalign(&p, bytes >= HUGE_PAGE ? HUGE_PAGE : CACHE_LINE, (size_t)bytes) != 0) return NULL;
#if defined(MADV_HUGEPAGE)
    if (bytes >= HUGE_PAGE) madvise(p, (size_t)bytes, MADV_HUGEPAGE); // a hint: a refusal costs speed only
#endif
    memset(p, 0, (size_t)bytes);
    return p;
}

float *rl_alloc(int64_t n) { return rl_scratch(n * (int64_t)sizeof(float)); }

void rl_free(float *p) { free(p); }

int rl_arena_reserve(rl_arena *a, int64_t bytes)
{
    if (bytes <= a->bytes) return 1;
    void *data = rl_scratch(bytes);
    if (!data) return 0;
    free(a->data);
    a->data = data;
    a->bytes = bytes;
    return 1;
}

int rl_run(rl_kernel *k, rl_operands op)
{
    // The team belongs to the calling thread, which need not be the one that made the device.
    int status = rl_team(k->threads);
    return status == RL_OK ? k->run(k, &op) : status;
}

void rl_destroy(rl_kernel *k)
{
    if (k) k->destroy(k);
}

// A kernel written here: its scratch memory lies behind the struct that embeds rl_kernel.
static void base_destroy(rl_kernel *k)
{
    rl_kernel_base *base = (rl_kernel_base *)k;
    for (int i = 0; i < base->blocks; i++) free(base->block[i]);
    free(base);
}

void *rl_kernel_new(const rl_device *d, size_t size, const char *impl, int (*run)(rl_kernel *, const rl_operands *))
{
    rl_kernel_base *base = calloc(1, size);
    if (!base) return NULL;
    base->kernel.run = run;
    base->kernel.destroy = base_destroy;
    base->kernel.threads = d->threads;
    base->arena = d->arena;
    strncpy(base->kernel.impl, impl, sizeof base->kernel.impl - 1);
    return base;
}

void *rl_kernel_block(void *kernel, int64_t bytes)
{
    rl_kernel_base *base = kernel;
    if (base->failed || base->blocks == RL_KERNEL_BLOCKS) {
        base->failed = 1;
        return NULL;
    }
    void *p = rl_scratch(bytes);
    if (!p) base->failed = 1;
    else base->block[base->blocks++] = p;
    return p;
}

void rl_kernel_share(void *kernel, int64_t bytes)
{
    rl_kernel_base *base = kernel;
    if (!rl_arena_reserve(base->arena, bytes)) base->failed = 1;
}

int rl_kernel_finish(void *kernel, rl_kernel **out)
{
    rl_kernel_base *base = kernel;
    if (!base) return RL_NO_MEMORY;
    if (base->failed) {
        base_destroy(&base->kernel);
        return RL_NO_MEMORY;
    }
    *out = &base->kernel;
    return RL_OK;
}

// The team that this thread was last found to have.
static __thread int team;

// The size of the team that OpenMP gives when asked for so many. The variables of the environment are its defaults for
// each thread: OMP_DYNAMIC lets it give fewer as the machine is loaded, OMP_MAX_ACTIVE_LEVELS=0 forbids teams.
static int given(int threads)
{
    int size = 0;
    if (omp_get_dynamic()) omp_set_dynamic(0);
    if (omp_get_max_active_levels() < 1) omp_set_max_active_levels(1);
    omp_set_num_threads(threads);
    if (threads == 1) return 1;
#pragma omp parallel num_threads(threads)
#pragma omp master
    size = omp_get_num_threads();
    return size;
}

int rl_team(int threads)
{
    if (team == threads && omp_get_max_threads() == threads) return RL_OK;
    team = given(threads);
    return team == threads ? RL_OK : RL_TEAM;
}

int rl_team_of_at_most(int threads) { return team = given(threads); }

// The split depends on the number of threads asked for, not on how many the runtime delivers: sums over parts come
// out the same either way.
void rl_parallel(rl_kernel *k, const rl_operands *op, int64_t n, int64_t grain, rl_range fn)
{
    int parts = k->threads;
    if (parts <= 1) {
        fn(k, op, 0, n, 0);
        return;
    }
    int64_t units = (n + grain - 1) / grain;
#pragma omp parallel for schedule(static) num_threads(parts)
    for (int t = 0; t < parts; t++) {
        int64_t begin = units * t / parts * grain, end = units * (t + 1) / parts * grain;
        fn(k, op, begin, end < n ? end : n, t);
    }
}
