// cuDNN: handles and descriptors.
#include <cstdio>
#include <unordered_set>

#include "cudnn_backend.h"

namespace emulator {
namespace {

template <typename T>
std::unordered_set<const T*>& live() {
  static auto& all = *new std::unordered_set<const T*>;
  return all;
}

template <typename T>
int create(T** out) {
  Entry entry(Entry::kNothing);
  if (out == nullptr) return refuse(kDnnNullPointer, "no place for the descriptor");
  *out = new T;
  live<T>().insert(*out);
  return kDnnSuccess;
}

template <typename T>
int destroy(T* d) {
  Entry entry(Entry::kNothing);
  if (live<T>().erase(d) == 0) return refuse(kDnnBadParam, "a descriptor that doesn't exist is destroyed");
  delete d;
  return kDnnSuccess;
}

template <typename T>
bool created(const T* d) { return live<T>().count(d) != 0; }

std::string& last_error() {
  static thread_local std::string text;
  return text;
}

bool is_type(int type) { return type == kDnnFloat || type == kDnnBf16; }
Type type_of(int type) { return type == kDnnFloat ? Type::kF32 : Type::kBf16; }

int set_tensor(TensorDescriptor* d, int type, int n, int c, int h, int w, int ns, int cs, int hs, int ws) {
  Entry entry(Entry::kNothing);
  if (!created(d)) return refuse(kDnnBadParam, "no such tensor descriptor");
  if (n <= 0 || c <= 0 || h <= 0 || w <= 0 || ns <= 0 || cs <= 0 || hs <= 0 || ws <= 0) return refuse(kDnnBadParam, "a dimension or stride isn't positive");
  if (!is_type(type)) return refuse(kDnnNotSupported, "only float and bfloat16 are emulated");
  d->tensor = Tensor{nullptr, type_of(type), n, c, h, w, static_cast<size_t>(ns), static_cast<size_t>(cs), static_cast<size_t>(hs), static_cast<size_t>(ws)};
  d->set = true;
  return kDnnSuccess;
}

}  // namespace

bool exists(const TensorDescriptor* d) { return created(d) && d->set; }
bool exists(const FilterDescriptor* d) { return created(d) && d->set; }
bool exists(const ConvolutionDescriptor* d) { return created(d) && d->set; }
bool exists(const ActivationDescriptor* d) { return created(d) && d->set; }
bool exists(const LibraryHandle* d) { return created(d); }

int refuse(int status, const std::string& why) {
  last_error() = why;
  return status;
}

}  // namespace emulator

using namespace emulator;

EXPORT size_t cudnnGetVersion() { return settings().cudnn; }
EXPORT size_t cudnnGetCudartVersion() { return 13000; }

EXPORT int cudnnGetProperty(int which, int* value) {
  if (value == nullptr || which < 0 || which > 2) return kDnnBadParam;
  const auto version = static_cast<int>(settings().cudnn);
  const int major = version < 10000 ? 1000 : 10000;  // what stands for one
  *value = which == 0 ? version / major : which == 1 ? version % major / 100 : version % 100;
  return kDnnSuccess;
}

EXPORT const char* cudnnGetErrorString(int status) {
  switch (status) {
    case kDnnSuccess: return "CUDNN_STATUS_SUCCESS";
    case kDnnNotInitialized: return "CUDNN_STATUS_NOT_INITIALIZED";
    case kDnnBadParam: return "CUDNN_STATUS_BAD_PARAM";
    case kDnnNullPointer: return "CUDNN_STATUS_BAD_PARAM_NULL_POINTER";
    case kDnnMisaligned: return "CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER";
    case kDnnNotSupported: return "CUDNN_STATUS_NOT_SUPPORTED";
    case kDnnAllocFailed: return "CUDNN_STATUS_ALLOC_FAILED";
    case kDnnExecutionFailed: return "CUDNN_STATUS_EXECUTION_FAILED";
    default: return "CUDNN_UNKNOWN_STATUS";
  }
}

EXPORT void cudnnGetLastErrorString(char* text, size_t bytes) {
  if (text != nullptr && bytes != 0) std::snprintf(text, bytes, "%s", last_error().c_str());
}

EXPORT int cudnnCreate(LibraryHandle** handle) {
  Entry entry(Entry::kNoCapture);  // it allocates
  if (entry.failed()) return refuse(kDnnNotInitialized, "no current context, or a capture is under way");
  const int result = create(handle);
  if (result == kDnnSuccess) (*handle)->context = entry.context;
  return result;
}
EXPORT int cudnnDestroy(LibraryHandle* handle) {
  Entry entry(Entry::kNothing);
  if (created(handle) && plans_of(handle) != 0) return refuse(kDnnBadParam, "the handle still has plans");
  return destroy(handle);
}

EXPORT int cudnnSetStream(LibraryHandle* handle, Stream* stream) {
  Entry entry(Entry::kNothing);
  if (!created(handle)) return refuse(kDnnNotInitialized, "no such handle");
  handle->stream = stream;
  return kDnnSuccess;
}

EXPORT int cudnnCreateTensorDescriptor(TensorDescriptor** d) { return create(d); }
EXPORT int cudnnDestroyTensorDescriptor(TensorDescriptor* d) { return destroy(d); }
EXPORT int cudnnCreateFilterDescriptor(FilterDescriptor** d) { return create(d); }
EXPORT int cudnnDestroyFilterDescriptor(FilterDescriptor* d) { return destroy(d); }
EXPORT int cudnnCreateConvolutionDescriptor(ConvolutionDescriptor** d) { return create(d); }
EXPORT int cudnnDestroyConvolutionDescriptor(ConvolutionDescriptor* d) { return destroy(d); }
EXPORT int cudnnCreateActivationDescriptor(ActivationDescriptor** d) { return create(d); }
EXPORT int cudnnDestroyActivationDescriptor(ActivationDescriptor* d) { return destroy(d); }

EXPORT int cudnnSetTensor4dDescriptorEx(TensorDescriptor* d, int type, int n, int c, int h, int w, int ns, int cs, int hs, int ws) {
  return set_tensor(d, type, n, c, h, w, ns, cs, hs, ws);
}

EXPORT int cudnnSetTensor4dDescriptor(TensorDescriptor* d, int format, int type, int n, int c, int h, int w) {
  if (format == kDnnNhwc) return set_tensor(d, type, n, c, h, w, h * w * c, 1, w * c, c);
  if (format == kDnnNchw) return set_tensor(d, type, n, c, h, w, c * h * w, h * w, w, 1);
  return refuse(kDnnBadParam, "no such tensor format");
}

EXPORT int cudnnSetFilter4dDescriptor(FilterDescriptor* d, int type, int format, int k, int c, int h, int w) {
  Entry entry(Entry::kNothing);
  if (!created(d)) return refuse(kDnnBadParam, "no such filter descriptor");
  if (k <= 0 || c <= 0 || h <= 0 || w <= 0 || (format != kDnnNhwc && format != kDnnNchw)) return refuse(kDnnBadParam, "a dimension or the format of a filter");
  if (!is_type(type)) return refuse(kDnnNotSupported, "only float and bfloat16 are emulated");
  const auto sc = static_cast<size_t>(c), sw = static_cast<size_t>(w), sh = static_cast<size_t>(h);
  d->tensor = Tensor{nullptr, type_of(type), k, c, h, w, sh * sw * sc, 1, sw * sc, sc};
  d->format = format;
  d->set = true;
  return kDnnSuccess;
}

EXPORT int cudnnSetConvolution2dDescriptor(ConvolutionDescriptor* d, int pad_h, int pad_w, int stride_h, int stride_w, int dilation_h,
                                           int dilation_w, int mode, int compute) {
  Entry entry(Entry::kNothing);
  if (!created(d)) return refuse(kDnnBadParam, "no such convolution descriptor");
  if (pad_h < 0 || pad_w < 0 || stride_h <= 0 || stride_w <= 0 || dilation_h <= 0 || dilation_w <= 0 || mode < 0 || mode > 1) {
    return refuse(kDnnBadParam, "padding, stride, dilation or mode of a convolution");
  }
  d->geometry = {pad_h, pad_w, stride_h, stride_w, dilation_h, dilation_w};
  d->mode = mode;
  d->compute = compute;
  d->set = true;
  return kDnnSuccess;
}

EXPORT int cudnnSetConvolutionMathType(ConvolutionDescriptor* d, int math) {
  Entry entry(Entry::kNothing);
  if (!created(d) || math < kDnnDefaultMath || math > kDnnFmaMath) return refuse(kDnnBadParam, "the math type of a convolution");
  d->math = math;
  return kDnnSuccess;
}

EXPORT int cudnnSetConvolutionGroupCount(ConvolutionDescriptor* d, int groups) {
  Entry entry(Entry::kNothing);
  if (!created(d) || groups < 1) return refuse(kDnnBadParam, "the groups of a convolution");
  d->groups = groups;
  return kDnnSuccess;
}

EXPORT int cudnnSetActivationDescriptor(ActivationDescriptor* d, int mode, int nan, double) {
  Entry entry(Entry::kNothing);
  if (!created(d) || mode < 0 || mode > 6 || nan < 0 || nan > 1) return refuse(kDnnBadParam, "the mode of an activation");
  d->mode = mode;
  d->nan = nan;
  d->set = true;
  return kDnnSuccess;
}
