//go:build onednn && cgo

#include "kernel_base.h"

#include <oneapi/dnnl/dnnl.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

void rl_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    memset(out, 0, 4 * sizeof out[0]);
    (void)leaf, (void)subleaf;
#if defined(__x86_64__)
    if (leaf <= __get_cpuid_max(0, NULL)) __cpuid_count(leaf, subleaf, out[0], out[1], out[2], out[3]);
#endif
}

// Must come before any other call of oneDNN: the instruction set is fixed by the first use.
int rl_cap_amx(void) { return dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx512_core_bf16); }

int rl_device_open(rl_device *d, int threads)
{
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    threads = rl_team_of_at_most(threads);
    // The environment could have it compute in bfloat16.
    dnnl_status_t status = dnnl_set_default_fpmath_mode(dnnl_fpmath_mode_strict);
    if (status != dnnl_success) return status;
    status = dnnl_engine_create(&engine, dnnl_cpu, 0);
    if (status != dnnl_success) return status;
    status = dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
    if (status != dnnl_success) {
        dnnl_engine_destroy(engine);
        return status;
    }
    d->arena = calloc(1, sizeof *d->arena);
    if (!d->arena) {
        dnnl_stream_destroy(stream);
        dnnl_engine_destroy(engine);
        return RL_NO_MEMORY;
    }
    d->engine = engine;
    d->stream = stream;
    d->threads = threads;
    d->isa = dnnl_get_effective_cpu_isa();
#if defined(__x86_64__)
    d->avx512 = (d->isa & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core;
    if (d->avx512) d->level = RL_LEVEL_AVX512;
    else if ((d->isa & dnnl_cpu_isa_avx2) == dnnl_cpu_isa_avx2 && __builtin_cpu_supports("fma")) d->level = RL_LEVEL_AVX2;
#endif
    return RL_OK;
}

void rl_device_close(rl_device *d)
{
    dnnl_stream_destroy(d->stream);
    dnnl_engine_destroy(d->engine);
    rl_free(d->arena->data);
    free(d->arena);
    d->stream = d->engine = NULL;
    d->arena = NULL;
}
