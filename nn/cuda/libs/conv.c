//go:build gpu && cgo

#include "try.h"

#include <stdlib.h>

struct rl_conv {
    cudnnHandle_t dnn;
    cudnnTensorDescriptor_t x, y, bias;
    cudnnFilterDescriptor_t w;
    cudnnConvolutionDescriptor_t conv;
    cudnnActivationDescriptor_t identity;
    int wanted; // the math type that the shape asks for
    int math;   // the math type that conv has now
};

rl_result rl_dnn_open(uintptr_t stream, cudnnHandle_t *dnn)
{
    RL_TRY(rl_cudnn, cudnnCreate, dnn);
    rl_result result = RL_OK;
    RL_ALSO(result, rl_cudnn, cudnnSetStream, *dnn, (cudaStream_t)stream);
    if (result.code != 0) {
        rl_cudnn.cudnnDestroy(*dnn);
        *dnn = 0;
    }
    return result;
}

rl_result rl_dnn_close(cudnnHandle_t dnn)
{
    RL_TRY(rl_cudnn, cudnnDestroy, dnn);
    return RL_OK;
}

static rl_result describe(rl_conv *c, const rl_shape *s)
{
    const int nhwc = CUDNN_TENSOR_NHWC;
    RL_TRY(rl_cudnn, cudnnCreateTensorDescriptor, &c->x);
    RL_TRY(rl_cudnn, cudnnSetTensor4dDescriptor, c->x, nhwc, s->type, s->n, s->c, s->h, s->w);
    RL_TRY(rl_cudnn, cudnnCreateTensorDescriptor, &c->y);
    RL_TRY(rl_cudnn, cudnnSetTensor4dDescriptor, c->y, nhwc, s->type, s->n, s->out_c, s->out_h, s->out_w);
    RL_TRY(rl_cudnn, cudnnCreateTensorDescriptor, &c->bias);
    RL_TRY(rl_cudnn, cudnnSetTensor4dDescriptor, c->bias, nhwc, s->type, 1, s->out_c, 1, 1);
    RL_TRY(rl_cudnn, cudnnCreateFilterDescriptor, &c->w);
    RL_TRY(rl_cudnn, cudnnSetFilter4dDescriptor, c->w, s->type, nhwc, s->out_c, s->c, s->kernel_h, s->kernel_w);
    RL_TRY(rl_cudnn, cudnnCreateConvolutionDescriptor, &c->conv);
    RL_TRY(rl_cudnn, cudnnSetConvolution2dDescriptor, c->conv, s->pad_h, s->pad_w, s->stride_h, s->stride_w, 1, 1,
           CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT);
    RL_TRY(rl_cudnn, cudnnSetConvolutionMathType, c->conv, s->math);
    // cudnnConvolutionBiasActivationForward takes no activation that propagates NaN (its documentation), so that its ReLU is not to be
    // used. The identity has none to lose.
    RL_TRY(rl_cudnn, cudnnCreateActivationDescriptor, &c->identity);
    RL_TRY(rl_cudnn, cudnnSetActivationDescriptor, c->identity, CUDNN_ACTIVATION_IDENTITY, CUDNN_NOT_PROPAGATE_NAN, 0);
    c->math = c->wanted = s->math;
    return RL_OK;
}

rl_result rl_conv_open(cudnnHandle_t dnn, const rl_shape *shape, rl_conv **conv)
{
    *conv = calloc(1, sizeof **conv);
    if (!*conv)
        abort(); // a few dozen bytes; Go's own allocator ends the process too
    (*conv)->dnn = dnn;
    rl_result result = describe(*conv, shape);
    if (result.code != 0) {
        rl_conv_close(*conv);
        *conv = 0;
    }
    return result;
}

rl_result rl_conv_close(rl_conv *c)
{
    rl_result result = RL_OK;
    if (c->x)
        RL_ALSO(result, rl_cudnn, cudnnDestroyTensorDescriptor, c->x);
    if (c->y)
        RL_ALSO(result, rl_cudnn, cudnnDestroyTensorDescriptor, c->y);
    if (c->bias)
        RL_ALSO(result, rl_cudnn, cudnnDestroyTensorDescriptor, c->bias);
    if (c->w)
        RL_ALSO(result, rl_cudnn, cudnnDestroyFilterDescriptor, c->w);
    if (c->conv)
        RL_ALSO(result, rl_cudnn, cudnnDestroyConvolutionDescriptor, c->conv);
    if (c->identity)
        RL_ALSO(result, rl_cudnn, cudnnDestroyActivationDescriptor, c->identity);
    free(c);
    return result;
}

// An algorithm runs with the math type that cudnnFind... reported for it, which is part of the convolution's descriptor.
static rl_result use_math(rl_conv *c, int math)
{
    if (c->math == math)
        return RL_OK;
    RL_TRY(rl_cudnn, cudnnSetConvolutionMathType, c->conv, math);
    c->math = math;
    return RL_OK;
}

rl_result rl_conv_find(rl_conv *v, int pass, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t workspace, size_t bytes,
                       int asked, int *got, struct rl_perf *results)
{
    rl_result result = use_math(v, v->wanted);
    if (result.code != 0)
        return result;
    switch (pass) {
    case RL_FORWARD:
        RL_TRY(rl_cudnn, cudnnFindConvolutionForwardAlgorithmEx, v->dnn, v->x, (const void *)a, v->w, (const void *)b,
               v->conv, v->y, (void *)c, asked, got, results, (void *)workspace, bytes);
        break;
    case RL_BACKWARD_DATA:
        RL_TRY(rl_cudnn, cudnnFindConvolutionBackwardDataAlgorithmEx, v->dnn, v->w, (const void *)a, v->y, (const void *)b,
               v->conv, v->x, (void *)c, asked, got, results, (void *)workspace, bytes);
        break;
    case RL_BACKWARD_WEIGHTS:
        RL_TRY(rl_cudnn, cudnnFindConvolutionBackwardFilterAlgorithmEx, v->dnn, v->x, (const void *)a, v->y,
               (const void *)b, v->conv, v->w, (void *)c, asked, got, results, (void *)workspace, bytes);
        break;
    }
    return RL_OK;
}

rl_result rl_conv_run(rl_conv *v, int pass, int algorithm, int math, uintptr_t a, uintptr_t b, uintptr_t c,
                      uintptr_t workspace, size_t bytes, float beta)
{
    const float one = 1;
    rl_result result = use_math(v, math);
    if (result.code != 0)
        return result;
    switch (pass) {
    case RL_FORWARD:
        RL_TRY(rl_cudnn, cudnnConvolutionForward, v->dnn, &one, v->x, (const void *)a, v->w, (const void *)b, v->conv,
               algorithm, (void *)workspace, bytes, &beta, v->y, (void *)c);
        break;
    case RL_BACKWARD_DATA:
        RL_TRY(rl_cudnn, cudnnConvolutionBackwardData, v->dnn, &one, v->w, (const void *)a, v->y, (const void *)b, v->conv,
               algorithm, (void *)workspace, bytes, &beta, v->x, (void *)c);
        break;
    case RL_BACKWARD_WEIGHTS:
        RL_TRY(rl_cudnn, cudnnConvolutionBackwardFilter, v->dnn, &one, v->x, (const void *)a, v->y, (const void *)b,
               v->conv, algorithm, (void *)workspace, bytes, &beta, v->w, (void *)c);
        break;
    }
    return RL_OK;
}

// The function adds alpha2 * z as well; alpha2 is 0 here and z is y, whose content cuDNN then does not read.
rl_result rl_conv_bias(rl_conv *v, int algorithm, int math, uintptr_t x, uintptr_t w, uintptr_t bias, uintptr_t y,
                       uintptr_t workspace, size_t bytes)
{
    const float one = 1, zero = 0;
    rl_result result = use_math(v, math);
    if (result.code != 0)
        return result;
    RL_TRY(rl_cudnn, cudnnConvolutionBiasActivationForward, v->dnn, &one, v->x, (const void *)x, v->w, (const void *)w,
           v->conv, algorithm, (void *)workspace, bytes, &zero, v->y, (const void *)y, v->bias, (const void *)bias,
           v->identity, v->y, (void *)y);
    return RL_OK;
}
