//go:build gpu && cgo

#include "try.h"

rl_result rl_blas_open(uintptr_t stream, cublasHandle_t *blas)
{
    RL_TRY(rl_cublas, cublasCreate_v2, blas);
    rl_result result = RL_OK;
    RL_ALSO(result, rl_cublas, cublasSetStream_v2, *blas, (cudaStream_t)stream);
    // bfloat16 sums that are split over several blocks are combined in float32 too.
    RL_ALSO(result, rl_cublas, cublasSetMathMode, *blas,
            CUBLAS_DEFAULT_MATH | CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION);
    if (result.code != 0) {
        rl_cublas.cublasDestroy_v2(*blas);
        *blas = 0;
    }
    return result;
}

rl_result rl_blas_workspace(cublasHandle_t blas, uintptr_t workspace, size_t bytes)
{
    RL_TRY(rl_cublas, cublasSetWorkspace_v2, blas, (void *)workspace, bytes);
    return RL_OK;
}

rl_result rl_blas_close(cublasHandle_t blas)
{
    RL_TRY(rl_cublas, cublasDestroy_v2, blas);
    return RL_OK;
}

// alpha and beta are read before cublasGemmEx returns (host pointers are the default mode).
rl_result rl_gemm(cublasHandle_t blas, int trans_a, int trans_b, int m, int n, int k, float alpha, uintptr_t a, int type_a,
                  int lda, uintptr_t b, int type_b, int ldb, float beta, uintptr_t c, int type_c, int ldc, int compute)
{
    RL_TRY(rl_cublas, cublasGemmEx, blas, trans_a, trans_b, m, n, k, &alpha, (const void *)a, type_a, lda, (const void *)b,
           type_b, ldb, &beta, (void *)c, type_c, ldc, compute, CUBLAS_GEMM_DEFAULT);
    return RL_OK;
}
