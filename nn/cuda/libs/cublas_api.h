// What this package uses of cuBLAS: its own declarations, so that no CUDA header is needed to build. abi_test.go compares
// them with the real headers (RL_REAL_HEADERS) where there are any.
#ifndef RL_CUBLAS_API_H
#define RL_CUBLAS_API_H

#include <stddef.h>

#ifndef RL_REAL_HEADERS
typedef struct cublasContext *cublasHandle_t;
typedef struct CUstream_st *cudaStream_t;
typedef int cublasStatus_t;
typedef int cublasOperation_t;
typedef int cublasComputeType_t;
typedef int cublasGemmAlgo_t;
typedef int cublasMath_t;
typedef int cudaDataType;
typedef int libraryPropertyType;
#endif

// Enumerations, which this package passes as int.
#define RL_CUBLAS_ENUMS(T) \
    T(cublasStatus_t) T(cublasOperation_t) T(cublasComputeType_t) T(cublasGemmAlgo_t) T(cublasMath_t) T(cudaDataType) \
    T(libraryPropertyType)

#define RL_CUBLAS_VALUES(V) \
    V(CUBLAS_STATUS_SUCCESS, 0) \
    V(CUBLAS_STATUS_ALLOC_FAILED, 3) \
    V(CUBLAS_STATUS_NOT_SUPPORTED, 15) \
    V(CUBLAS_OP_N, 0) \
    V(CUBLAS_OP_T, 1) \
    V(CUBLAS_GEMM_DEFAULT, -1) \
    V(CUBLAS_DEFAULT_MATH, 0) \
    V(CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION, 16) \
    V(CUBLAS_COMPUTE_32F, 68) \
    V(CUBLAS_COMPUTE_32F_FAST_TF32, 77) \
    V(CUDA_R_32F, 0) \
    V(CUDA_R_16BF, 14) \
    V(MAJOR_VERSION, 0) \
    V(MINOR_VERSION, 1) \
    V(PATCH_LEVEL, 2)

// Result, name, parameters.
#define RL_CUBLAS_FUNCTIONS(F) \
    F(cublasStatus_t, cublasGetProperty, (libraryPropertyType, int *)) \
    F(cublasStatus_t, cublasCreate_v2, (cublasHandle_t *)) \
    F(cublasStatus_t, cublasDestroy_v2, (cublasHandle_t)) \
    F(cublasStatus_t, cublasSetStream_v2, (cublasHandle_t, cudaStream_t)) \
    F(cublasStatus_t, cublasSetWorkspace_v2, (cublasHandle_t, void *, size_t)) \
    F(cublasStatus_t, cublasSetMathMode, (cublasHandle_t, cublasMath_t)) \
    F(const char *, cublasGetStatusString, (cublasStatus_t)) \
    F(cublasStatus_t, cublasGemmEx, \
      (cublasHandle_t, cublasOperation_t, cublasOperation_t, int m, int n, int k, const void *alpha, const void *a, \
       cudaDataType, int lda, const void *b, cudaDataType, int ldb, const void *beta, void *c, cudaDataType, int ldc, \
       cublasComputeType_t, cublasGemmAlgo_t))

#endif
