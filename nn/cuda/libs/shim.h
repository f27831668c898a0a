// The C side of package libs: tables of the libraries' functions, filled by dlsym, and one function for each call that
// Go makes. Device addresses are passed as uintptr_t. The calls that run work allocate nothing and do not wait for it; none
// calls back into Go.
#ifndef RL_SHIM_H
#define RL_SHIM_H

#include "cublas_api.h"
#include "cudnn_api.h"
#include "nvrtc_api.h"

#include <stdint.h>

#define RL_VALUE(name, value) name = value,
enum { RL_CUBLAS_VALUES(RL_VALUE) RL_CUDNN_VALUES(RL_VALUE) RL_NVRTC_VALUES(RL_VALUE) };
#undef RL_VALUE

#define RL_POINTER(result, name, parameters) result(*name) parameters;
extern struct rl_cublas { RL_CUBLAS_FUNCTIONS(RL_POINTER) } rl_cublas;
extern struct rl_cudnn { RL_CUDNN_FUNCTIONS(RL_POINTER) RL_CUDNN_OPTIONAL(RL_POINTER) } rl_cudnn;
extern struct rl_nvrtc { RL_NVRTC_FUNCTIONS(RL_POINTER) } rl_nvrtc;
#undef RL_POINTER

// What a call came to: the library's status, zero for success, and the name of the library's function.
typedef struct {
    int code;
    const char *call;
} rl_result;

// load.c
void *rl_open(const char *path, char *why, size_t bytes);
void rl_path(void *library, char *path, size_t bytes);
// These fill a table and return null, or the name of a function that the library lacks.
const char *rl_resolve_cublas(void *library);
const char *rl_resolve_cudnn(void *library);
const char *rl_resolve_nvrtc(void *library);
const char *rl_cublas_text(int status);
const char *rl_cudnn_text(int status);
const char *rl_nvrtc_text(int status);
void rl_cudnn_details(char *text, size_t bytes);
size_t rl_cudnn_version(void);
size_t rl_cudnn_cuda(void);
rl_result rl_cublas_version(int version[3]);

// nvrtc.c
rl_result rl_nvrtc_version(int *major, int *minor);
rl_result rl_nvrtc_archs(int *archs, int room, int *count);
rl_result rl_compile(const char *source, const char *name, int count, const char **options, char **code, size_t *bytes,
                     char **log);

// blas.c
rl_result rl_blas_open(uintptr_t stream, cublasHandle_t *blas);
rl_result rl_blas_workspace(cublasHandle_t blas, uintptr_t workspace, size_t bytes);
rl_result rl_blas_close(cublasHandle_t blas);
rl_result rl_gemm(cublasHandle_t blas, int trans_a, int trans_b, int m, int n, int k, float alpha, uintptr_t a, int type_a,
                  int lda, uintptr_t b, int type_b, int ldb, float beta, uintptr_t c, int type_c, int ldc, int compute);

// conv.c
typedef struct {
    int n, h, w, c, out_h, out_w, out_c, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, type, math;
} rl_shape;
typedef struct rl_conv rl_conv;
enum { RL_FORWARD, RL_BACKWARD_DATA, RL_BACKWARD_WEIGHTS };

rl_result rl_dnn_open(uintptr_t stream, cudnnHandle_t *dnn);
rl_result rl_dnn_close(cudnnHandle_t dnn);
rl_result rl_conv_open(cudnnHandle_t dnn, const rl_shape *shape, rl_conv **conv);
rl_result rl_conv_close(rl_conv *conv);
// a, b: what the pass reads (x and w, w and dy, x and dy); c: what it writes.
rl_result rl_conv_find(rl_conv *conv, int pass, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t workspace, size_t bytes,
                       int asked, int *got, struct rl_perf *results);
rl_result rl_conv_run(rl_conv *conv, int pass, int algorithm, int math, uintptr_t a, uintptr_t b, uintptr_t c,
                      uintptr_t workspace, size_t bytes, float beta);
rl_result rl_conv_bias(rl_conv *conv, int algorithm, int math, uintptr_t x, uintptr_t w, uintptr_t bias, uintptr_t y,
                       uintptr_t workspace, size_t bytes);

#endif
