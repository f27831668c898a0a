//go:build gpu && cgo

#include "try.h"

#include <stdlib.h>

rl_result rl_nvrtc_version(int *major, int *minor)
{
    RL_TRY(rl_nvrtc, nvrtcVersion, major, minor);
    return RL_OK;
}

static rl_result read_log(nvrtcProgram program, char **log)
{
    size_t bytes = 0;
    RL_TRY(rl_nvrtc, nvrtcGetProgramLogSize, program, &bytes);
    *log = calloc(bytes + 1, 1);
    if (!*log)
        return (rl_result){NVRTC_ERROR_OUT_OF_MEMORY, "nvrtcGetProgramLog"};
    RL_TRY(rl_nvrtc, nvrtcGetProgramLog, program, *log);
    return RL_OK;
}

static rl_result read_ptx(nvrtcProgram program, char **ptx, size_t *bytes)
{
    RL_TRY(rl_nvrtc, nvrtcGetPTXSize, program, bytes);
    *ptx = calloc(*bytes + 1, 1);
    if (!*ptx)
        return (rl_result){NVRTC_ERROR_OUT_OF_MEMORY, "nvrtcGetPTX"};
    RL_TRY(rl_nvrtc, nvrtcGetPTX, program, *ptx);
    return RL_OK;
}

// rl_compile leaves in *ptx and *log what the caller must free; either may stay null. *bytes includes PTX's final zero.
rl_result rl_compile(const char *source, const char *name, int count, const char **options, char **ptx, size_t *bytes,
                     char **log)
{
    nvrtcProgram program;
    RL_TRY(rl_nvrtc, nvrtcCreateProgram, &program, source, name, 0, 0, 0);
    rl_result result = RL_OK;
    RL_ALSO(result, rl_nvrtc, nvrtcCompileProgram, program, count, options);
    rl_result logged = read_log(program, log);
    if (result.code == 0)
        result = logged;
    if (result.code == 0)
        result = read_ptx(program, ptx, bytes);
    RL_ALSO(result, rl_nvrtc, nvrtcDestroyProgram, &program);
    return result;
}
