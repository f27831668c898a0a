// What this package uses of cuDNN's legacy convolution API, which versions 8 and 9 share: its own declarations (see
// cublas_api.h). The numbers are those of the public headers of 8.2 and 9.6; status codes other than success differ
// between 8 and 9 and are told apart in errors.go.
#ifndef RL_CUDNN_API_H
#define RL_CUDNN_API_H

#include <stddef.h>

#ifndef RL_REAL_HEADERS
typedef struct cudnnContext *cudnnHandle_t;
typedef struct cudnnTensorStruct *cudnnTensorDescriptor_t;
typedef struct cudnnFilterStruct *cudnnFilterDescriptor_t;
typedef struct cudnnConvolutionStruct *cudnnConvolutionDescriptor_t;
typedef struct cudnnActivationStruct *cudnnActivationDescriptor_t;
typedef struct CUstream_st *cudaStream_t;
typedef int cudnnStatus_t;
typedef int cudnnDataType_t;
typedef int cudnnTensorFormat_t;
typedef int cudnnMathType_t;
typedef int cudnnNanPropagation_t;
typedef int cudnnActivationMode_t;
typedef int cudnnConvolutionMode_t;
typedef int cudnnConvolutionFwdAlgo_t;
typedef int cudnnConvolutionBwdDataAlgo_t;
typedef int cudnnConvolutionBwdFilterAlgo_t;
typedef struct rl_perf cudnnConvolutionFwdAlgoPerf_t;
typedef struct rl_perf cudnnConvolutionBwdDataAlgoPerf_t;
typedef struct rl_perf cudnnConvolutionBwdFilterAlgoPerf_t;
#endif

#define RL_CUDNN_ENUMS(T) \
    T(cudnnStatus_t) T(cudnnDataType_t) T(cudnnTensorFormat_t) T(cudnnMathType_t) T(cudnnNanPropagation_t) \
    T(cudnnActivationMode_t) T(cudnnConvolutionMode_t) T(cudnnConvolutionFwdAlgo_t) T(cudnnConvolutionBwdDataAlgo_t) \
    T(cudnnConvolutionBwdFilterAlgo_t)

#define RL_CUDNN_VALUES(V) \
    V(CUDNN_STATUS_SUCCESS, 0) \
    V(CUDNN_DATA_FLOAT, 0) \
    V(CUDNN_DATA_BFLOAT16, 9) \
    V(CUDNN_TENSOR_NHWC, 1) \
    V(CUDNN_DEFAULT_MATH, 0) \
    V(CUDNN_TENSOR_OP_MATH, 1) \
    V(CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION, 2) \
    V(CUDNN_FMA_MATH, 3) \
    V(CUDNN_DETERMINISTIC, 1) \
    V(CUDNN_NOT_PROPAGATE_NAN, 0) \
    V(CUDNN_ACTIVATION_RELU, 1) \
    V(CUDNN_ACTIVATION_IDENTITY, 5) \
    V(CUDNN_CROSS_CORRELATION, 1) \
    V(CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM, 0) \
    V(CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM, 1) \
    V(CUDNN_CONVOLUTION_FWD_ALGO_FFT, 4) \
    V(CUDNN_CONVOLUTION_FWD_ALGO_FFT_TILING, 5) \
    V(CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD, 6) \
    V(CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD_NONFUSED, 7) \
    V(CUDNN_CONVOLUTION_FWD_ALGO_COUNT, 8) \
    V(CUDNN_CONVOLUTION_BWD_DATA_ALGO_1, 1) \
    V(CUDNN_CONVOLUTION_BWD_DATA_ALGO_FFT, 2) \
    V(CUDNN_CONVOLUTION_BWD_DATA_ALGO_FFT_TILING, 3) \
    V(CUDNN_CONVOLUTION_BWD_DATA_ALGO_WINOGRAD, 4) \
    V(CUDNN_CONVOLUTION_BWD_DATA_ALGO_WINOGRAD_NONFUSED, 5) \
    V(CUDNN_CONVOLUTION_BWD_DATA_ALGO_COUNT, 6) \
    V(CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1, 1) \
    V(CUDNN_CONVOLUTION_BWD_FILTER_ALGO_FFT, 2) \
    V(CUDNN_CONVOLUTION_BWD_FILTER_ALGO_WINOGRAD, 4) \
    V(CUDNN_CONVOLUTION_BWD_FILTER_ALGO_WINOGRAD_NONFUSED, 5) \
    V(CUDNN_CONVOLUTION_BWD_FILTER_ALGO_FFT_TILING, 6) \
    V(CUDNN_CONVOLUTION_BWD_FILTER_ALGO_COUNT, 7)

// One result of cudnnFindConvolution...Ex. The three real structures differ in the type of algo alone.
struct rl_perf {
    int algo;
    int status;
    float time;
    size_t memory;
    int determinism;
    int mathType;
    int reserved[3];
};

#define RL_CUDNN_FUNCTIONS(F) \
    F(size_t, cudnnGetVersion, (void)) \
    F(const char *, cudnnGetErrorString, (cudnnStatus_t)) \
    F(cudnnStatus_t, cudnnCreate, (cudnnHandle_t *)) \
    F(cudnnStatus_t, cudnnDestroy, (cudnnHandle_t)) \
    F(cudnnStatus_t, cudnnSetStream, (cudnnHandle_t, cudaStream_t)) \
    F(cudnnStatus_t, cudnnCreateTensorDescriptor, (cudnnTensorDescriptor_t *)) \
    F(cudnnStatus_t, cudnnSetTensor4dDescriptor, \
      (cudnnTensorDescriptor_t, cudnnTensorFormat_t, cudnnDataType_t, int n, int c, int h, int w)) \
    F(cudnnStatus_t, cudnnDestroyTensorDescriptor, (cudnnTensorDescriptor_t)) \
    F(cudnnStatus_t, cudnnCreateFilterDescriptor, (cudnnFilterDescriptor_t *)) \
    F(cudnnStatus_t, cudnnSetFilter4dDescriptor, \
      (cudnnFilterDescriptor_t, cudnnDataType_t, cudnnTensorFormat_t, int k, int c, int h, int w)) \
    F(cudnnStatus_t, cudnnDestroyFilterDescriptor, (cudnnFilterDescriptor_t)) \
    F(cudnnStatus_t, cudnnCreateActivationDescriptor, (cudnnActivationDescriptor_t *)) \
    F(cudnnStatus_t, cudnnSetActivationDescriptor, \
      (cudnnActivationDescriptor_t, cudnnActivationMode_t, cudnnNanPropagation_t, double coefficient)) \
    F(cudnnStatus_t, cudnnDestroyActivationDescriptor, (cudnnActivationDescriptor_t)) \
    F(cudnnStatus_t, cudnnCreateConvolutionDescriptor, (cudnnConvolutionDescriptor_t *)) \
    F(cudnnStatus_t, cudnnSetConvolution2dDescriptor, \
      (cudnnConvolutionDescriptor_t, int pad_h, int pad_w, int stride_h, int stride_w, int dilation_h, int dilation_w, \
       cudnnConvolutionMode_t, cudnnDataType_t)) \
    F(cudnnStatus_t, cudnnSetConvolutionMathType, (cudnnConvolutionDescriptor_t, cudnnMathType_t)) \
    F(cudnnStatus_t, cudnnDestroyConvolutionDescriptor, (cudnnConvolutionDescriptor_t)) \
    F(cudnnStatus_t, cudnnFindConvolutionForwardAlgorithmEx, \
      (cudnnHandle_t, cudnnTensorDescriptor_t, const void *x, cudnnFilterDescriptor_t, const void *w, \
       cudnnConvolutionDescriptor_t, cudnnTensorDescriptor_t, void *y, int asked, int *got, \
       cudnnConvolutionFwdAlgoPerf_t *, void *workspace, size_t bytes)) \
    F(cudnnStatus_t, cudnnFindConvolutionBackwardDataAlgorithmEx, \
      (cudnnHandle_t, cudnnFilterDescriptor_t, const void *w, cudnnTensorDescriptor_t, const void *dy, \
       cudnnConvolutionDescriptor_t, cudnnTensorDescriptor_t, void *dx, int asked, int *got, \
       cudnnConvolutionBwdDataAlgoPerf_t *, void *workspace, size_t bytes)) \
    F(cudnnStatus_t, cudnnFindConvolutionBackwardFilterAlgorithmEx, \
      (cudnnHandle_t, cudnnTensorDescriptor_t, const void *x, cudnnTensorDescriptor_t, const void *dy, \
       cudnnConvolutionDescriptor_t, cudnnFilterDescriptor_t, void *dw, int asked, int *got, \
       cudnnConvolutionBwdFilterAlgoPerf_t *, void *workspace, size_t bytes)) \
    F(cudnnStatus_t, cudnnConvolutionForward, \
      (cudnnHandle_t, const void *alpha, cudnnTensorDescriptor_t, const void *x, cudnnFilterDescriptor_t, const void *w, \
       cudnnConvolutionDescriptor_t, cudnnConvolutionFwdAlgo_t, void *workspace, size_t bytes, const void *beta, \
       cudnnTensorDescriptor_t, void *y)) \
    F(cudnnStatus_t, cudnnConvolutionBiasActivationForward, \
      (cudnnHandle_t, const void *alpha1, cudnnTensorDescriptor_t, const void *x, cudnnFilterDescriptor_t, const void *w, \
       cudnnConvolutionDescriptor_t, cudnnConvolutionFwdAlgo_t, void *workspace, size_t bytes, const void *alpha2, \
       cudnnTensorDescriptor_t, const void *z, cudnnTensorDescriptor_t, const void *bias, cudnnActivationDescriptor_t, \
       cudnnTensorDescriptor_t, void *y)) \
    F(cudnnStatus_t, cudnnConvolutionBackwardData, \
      (cudnnHandle_t, const void *alpha, cudnnFilterDescriptor_t, const void *w, cudnnTensorDescriptor_t, const void *dy, \
       cudnnConvolutionDescriptor_t, cudnnConvolutionBwdDataAlgo_t, void *workspace, size_t bytes, const void *beta, \
       cudnnTensorDescriptor_t, void *dx)) \
    F(cudnnStatus_t, cudnnConvolutionBackwardFilter, \
      (cudnnHandle_t, const void *alpha, cudnnTensorDescriptor_t, const void *x, cudnnTensorDescriptor_t, const void *dy, \
       cudnnConvolutionDescriptor_t, cudnnConvolutionBwdFilterAlgo_t, void *workspace, size_t bytes, const void *beta, \
       cudnnFilterDescriptor_t, void *dw))

// Only cuDNN 9 has these; a null pointer where they are missing.
#define RL_CUDNN_OPTIONAL(F) F(void, cudnnGetLastErrorString, (char *, size_t)) F(size_t, cudnnGetCudartVersion, (void))

#endif
