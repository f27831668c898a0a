// cuDNN: the convolutions themselves.
#include "cudnn.h"

using namespace emulator;

namespace {

// begin checks what all convolutions have in common and describes the problem, with its data.
int begin(const Entry& entry, const LibraryHandle* handle, Pass pass, const TensorDescriptor* x, const void* x_data, const FilterDescriptor* w,
          const void* w_data, const ConvolutionDescriptor* conv, const TensorDescriptor* y, const void* y_data, Problem* p) {
  if (!exists(handle)) return refuse(kDnnNotInitialized, "no such handle");
  if (!handle->usable(entry)) return refuse(kDnnExecutionFailed, "the handle's context isn't current");
  const int result = describe(pass, x, w, conv, y, p);
  if (result != kDnnSuccess) return result;
  p->x.data = const_cast<void*>(x_data);
  p->w.data = const_cast<void*>(w_data);
  p->y.data = const_cast<void*>(y_data);
  return kDnnSuccess;
}

int convolution(LibraryHandle* handle, Pass pass, const void* alpha, const TensorDescriptor* x, const void* x_data, const FilterDescriptor* w,
                const void* w_data, const ConvolutionDescriptor* conv, int algorithm, void* workspace, size_t bytes, const void* beta,
                const TensorDescriptor* y, const void* y_data) {
  Entry entry;
  Problem p;
  const int result = begin(entry, handle, pass, x, x_data, w, w_data, conv, y, y_data, &p);
  if (result != kDnnSuccess) return result;
  if (alpha == nullptr || beta == nullptr) return refuse(kDnnNullPointer, "alpha or beta is null");
  return run(*handle, p, algorithm, workspace, bytes, *static_cast<const float*>(alpha), *static_cast<const float*>(beta), Epilogue{});
}

}  // namespace

EXPORT int cudnnConvolutionForward(LibraryHandle* handle, const void* alpha, TensorDescriptor* xd, const void* x, FilterDescriptor* wd, const void* w,
                                   ConvolutionDescriptor* conv, int algorithm, void* workspace, size_t bytes, const void* beta, TensorDescriptor* yd, void* y) {
  return convolution(handle, Pass::kForward, alpha, xd, x, wd, w, conv, algorithm, workspace, bytes, beta, yd, y);
}

EXPORT int cudnnConvolutionBackwardData(LibraryHandle* handle, const void* alpha, FilterDescriptor* wd, const void* w, TensorDescriptor* dyd, const void* dy,
                                        ConvolutionDescriptor* conv, int algorithm, void* workspace, size_t bytes, const void* beta, TensorDescriptor* dxd,
                                        void* dx) {
  return convolution(handle, Pass::kBackwardData, alpha, dxd, dx, wd, w, conv, algorithm, workspace, bytes, beta, dyd, dy);
}

EXPORT int cudnnConvolutionBackwardFilter(LibraryHandle* handle, const void* alpha, TensorDescriptor* xd, const void* x, TensorDescriptor* dyd, const void* dy,
                                          ConvolutionDescriptor* conv, int algorithm, void* workspace, size_t bytes, const void* beta, FilterDescriptor* dwd,
                                          void* dw) {
  return convolution(handle, Pass::kBackwardFilter, alpha, xd, x, dwd, dw, conv, algorithm, workspace, bytes, beta, dyd, dy);
}

EXPORT int cudnnConvolutionBiasActivationForward(LibraryHandle* handle, const void* alpha1, TensorDescriptor* xd, const void* x, FilterDescriptor* wd,
                                                 const void* w, ConvolutionDescriptor* conv, int algorithm, void* workspace, size_t bytes,
                                                 const void* alpha2, TensorDescriptor* zd, const void* z, TensorDescriptor* biasd, const void* bias,
                                                 ActivationDescriptor* activation, TensorDescriptor* yd, void* y) {
  constexpr int kImplicitPrecompGemm = 1;
  Entry entry;
  Problem p;
  const int result = begin(entry, handle, Pass::kForward, xd, x, wd, w, conv, yd, y, &p);
  if (result != kDnnSuccess) return result;
  if (alpha1 == nullptr || alpha2 == nullptr || z == nullptr || bias == nullptr) return refuse(kDnnNullPointer, "alpha1, alpha2, z or the bias is null");
  if (!exists(zd) || !exists(biasd) || !exists(activation)) return refuse(kDnnBadParam, "a descriptor doesn't exist or hasn't been set");
  Epilogue e;
  e.z = zd->tensor;
  e.z.data = const_cast<void*>(z);
  e.bias = bias;
  e.bias_type = biasd->tensor.type;
  e.relu = activation->mode == kDnnRelu;
  if (e.z.type != p.y.type || e.z.n != p.y.n || e.z.c != p.y.c || e.z.h != p.y.h || e.z.w != p.y.w) return refuse(kDnnBadParam, "z isn't like y");
  const Tensor& b = biasd->tensor;
  if (b.type != p.y.type || b.n != 1 || b.c != p.y.c || b.h != 1 || b.w != 1 || (b.c != 1 && b.c_stride != 1)) return refuse(kDnnBadParam, "the bias isn't 1 x K x 1 x 1 of y's type");
  if (activation->mode != kDnnRelu && activation->mode != kDnnIdentity) return refuse(kDnnNotSupported, "an activation other than relu and identity");
  if (activation->mode == kDnnIdentity && algorithm != kImplicitPrecompGemm) return refuse(kDnnNotSupported, "identity needs IMPLICIT_PRECOMP_GEMM");
  if (activation->nan != 0) return refuse(kDnnNotSupported, "an activation that propagates NaN");
  return run(*handle, p, algorithm, workspace, bytes, *static_cast<const float*>(alpha1), *static_cast<const float*>(alpha2), e);
}

EXPORT int cudnnGetConvolution2dForwardOutputDim(ConvolutionDescriptor* conv, TensorDescriptor* x, FilterDescriptor* w, int* n, int* c, int* h, int* wd) {
  Entry entry(Entry::kNothing);
  if (!exists(conv) || !exists(x) || !exists(w)) return refuse(kDnnBadParam, "a descriptor doesn't exist or hasn't been set");
  const Geometry& g = conv->geometry;
  *n = x->tensor.n;
  *c = w->tensor.n;
  *h = (x->tensor.h + 2 * g.pad_h - (g.dilation_h * (w->tensor.h - 1) + 1)) / g.stride_h + 1;
  *wd = (x->tensor.w + 2 * g.pad_w - (g.dilation_w * (w->tensor.w - 1) + 1)) / g.stride_w + 1;
  return kDnnSuccess;
}
