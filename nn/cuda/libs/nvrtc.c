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

// rl_nvrtc_archs leaves in archs what NVRTC compiles for, ascending, and in *count how many there are: at most room.
rl_result rl_nvrtc_archs(int *archs, int room, int *count)
{
    RL_TRY(rl_nvrtc, nvrtcGetNumSupportedArchs, count);
    if (*count > room)
        return (rl_result){NVRTC_ERROR_OUT_OF_MEMORY, "nvrtcGetSupportedArchs"};
    RL_TRY(rl_nvrtc, nvrtcGetSupportedArchs, archs);
    return RL_OK;
}

// read_code reads the machine code, which there is (of a size other than zero) where the architecture is a real one, else
// the PTX.
static rl_result read_code(nvrtcProgram program, char **code, size_t *bytes)
{
    RL_TRY(rl_nvrtc, nvrtcGetCUBINSize, program, bytes);
    const int real = *bytes > 0;
    if (!real)
        RL_TRY(rl_nvrtc, nvrtcGetPTXSize, program, bytes);
    *code = calloc(*bytes + 1, 1);
    if (!*code)
        return (rl_result){NVRTC_ERROR_OUT_OF_MEMORY, real ? "nvrtcGetCUBIN" : "nvrtcGetPTX"};
    if (real)
        RL_TRY(rl_nvrtc, nvrtcGetCUBIN, program, *code);
    else
        RL_TRY(rl_nvrtc, nvrtcGetPTX, program, *code);
    return RL_OK;
}

// rl_compile leaves in *code and *log what the caller must free; either may stay null. *bytes includes PTX's final zero.
rl_result rl_compile(const char *source, const char *name, int count, const char **options, char **code, size_t *bytes,
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
        result = read_code(program, code, bytes);
    RL_ALSO(result, rl_nvrtc, nvrtcDestroyProgram, &program);
    return result;
}
