//go:build gpu && cgo

#define _GNU_SOURCE
#include "try.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>

struct rl_cublas rl_cublas;
struct rl_cudnn rl_cudnn;
struct rl_nvrtc rl_nvrtc;

// rl_open returns null and the loader's words when a library cannot be loaded. Lazy binding and local scope: the
// libraries are large, and must not catch each other's symbols. They find each other all the same, by their sonames.
void *rl_open(const char *path, char *why, size_t bytes)
{
    void *library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
    if (!library)
        snprintf(why, bytes, "%s", dlerror());
    return library;
}

// rl_path writes the path that the loader found a library under, or an empty string.
void rl_path(void *library, char *path, size_t bytes)
{
    struct link_map *map = 0;
    path[0] = 0;
    if (dlinfo(library, RTLD_DI_LINKMAP, &map) == 0 && map)
        snprintf(path, bytes, "%s", map->l_name);
}

// ISO C has no conversion from the object pointer that dlsym returns to a function pointer; POSIX asks for this one.
#define RL_FILL(result, function, parameters)                         \
    *(void **)&RL_TABLE.function = dlsym(library, #function);         \
    if (!RL_TABLE.function)                                           \
        return #function;
#define RL_FILL_OPTIONAL(result, function, parameters) *(void **)&RL_TABLE.function = dlsym(library, #function);

#define RL_TABLE rl_cublas
const char *rl_resolve_cublas(void *library)
{
    RL_CUBLAS_FUNCTIONS(RL_FILL)
    return 0;
}
#undef RL_TABLE

#define RL_TABLE rl_cudnn
const char *rl_resolve_cudnn(void *library)
{
    RL_CUDNN_FUNCTIONS(RL_FILL)
    RL_CUDNN_OPTIONAL(RL_FILL_OPTIONAL)
    return 0;
}
#undef RL_TABLE

#define RL_TABLE rl_nvrtc
const char *rl_resolve_nvrtc(void *library)
{
    RL_NVRTC_FUNCTIONS(RL_FILL)
    return 0;
}
#undef RL_TABLE

const char *rl_cublas_text(int status) { return rl_cublas.cublasGetStatusString(status); }
const char *rl_cudnn_text(int status) { return rl_cudnn.cudnnGetErrorString(status); }
const char *rl_nvrtc_text(int status) { return rl_nvrtc.nvrtcGetErrorString(status); }

// rl_cudnn_details writes what cuDNN 9 has to say about this thread's last failure; nothing with cuDNN 8.
void rl_cudnn_details(char *text, size_t bytes)
{
    text[0] = 0;
    if (rl_cudnn.cudnnGetLastErrorString)
        rl_cudnn.cudnnGetLastErrorString(text, bytes);
}

size_t rl_cudnn_version(void) { return rl_cudnn.cudnnGetVersion(); }

// rl_cudnn_cuda is the version of CUDA that cuDNN is made for, 13000 for 13.0, or 0 where it does not say.
size_t rl_cudnn_cuda(void) { return rl_cudnn.cudnnGetCudartVersion ? rl_cudnn.cudnnGetCudartVersion() : 0; }

rl_result rl_cublas_version(int version[3])
{
    RL_TRY(rl_cublas, cublasGetProperty, MAJOR_VERSION, &version[0]);
    RL_TRY(rl_cublas, cublasGetProperty, MINOR_VERSION, &version[1]);
    RL_TRY(rl_cublas, cublasGetProperty, PATCH_LEVEL, &version[2]);
    return RL_OK;
}
