// What this package uses of NVRTC: its own declarations (see cublas_api.h).
#ifndef RL_NVRTC_API_H
#define RL_NVRTC_API_H

#include <stddef.h>

#ifndef RL_REAL_HEADERS
typedef struct _nvrtcProgram *nvrtcProgram;
typedef int nvrtcResult;
#endif

#define RL_NVRTC_ENUMS(T) T(nvrtcResult)

#define RL_NVRTC_VALUES(V) \
    V(NVRTC_SUCCESS, 0) \
    V(NVRTC_ERROR_OUT_OF_MEMORY, 1) \
    V(NVRTC_ERROR_COMPILATION, 6)

#define RL_NVRTC_FUNCTIONS(F) \
    F(nvrtcResult, nvrtcVersion, (int *, int *)) \
    F(const char *, nvrtcGetErrorString, (nvrtcResult)) \
    F(nvrtcResult, nvrtcCreateProgram, \
      (nvrtcProgram *, const char *source, const char *name, int headers, const char *const *, const char *const *)) \
    F(nvrtcResult, nvrtcDestroyProgram, (nvrtcProgram *)) \
    F(nvrtcResult, nvrtcCompileProgram, (nvrtcProgram, int options, const char *const *)) \
    F(nvrtcResult, nvrtcGetNumSupportedArchs, (int *)) \
    F(nvrtcResult, nvrtcGetSupportedArchs, (int *)) \
    F(nvrtcResult, nvrtcGetCUBINSize, (nvrtcProgram, size_t *)) \
    F(nvrtcResult, nvrtcGetCUBIN, (nvrtcProgram, char *)) \
    F(nvrtcResult, nvrtcGetPTXSize, (nvrtcProgram, size_t *)) \
    F(nvrtcResult, nvrtcGetPTX, (nvrtcProgram, char *)) \
    F(nvrtcResult, nvrtcGetProgramLogSize, (nvrtcProgram, size_t *)) \
    F(nvrtcResult, nvrtcGetProgramLog, (nvrtcProgram, char *))

#endif
