// cuDNN: which convolutions and algorithms are accepted, and how one is run.
#include <iterator>

#include "cudnn.h"

namespace emulator {
namespace {

// The times are so long that nobody runs a convolution many times to measure it: that would take long here.
// The fastest algorithm isn't deterministic, so that a program has to choose; the next one needs a workspace; the last does not.
constexpr Algorithm kForwardTable[] = {
    {2, false, 1.0f, 8},  // GEMM
    {1, true, 2.0f, 2},   // IMPLICIT_PRECOMP_GEMM
    {6, true, 3.0f, 3},   // WINOGRAD
    {0, true, 4.0f, 0},   // IMPLICIT_GEMM
};
constexpr Algorithm kBackwardDataTable[] = {
    {0, false, 1.0f, 0},  // ALGO_0
    {1, true, 2.0f, 4},   // ALGO_1
    {4, true, 3.0f, 3},   // WINOGRAD
};
constexpr Algorithm kBackwardFilterTable[] = {
    {0, false, 1.0f, 0},  // ALGO_0
    {3, false, 1.5f, 2},  // ALGO_3
    {1, true, 2.0f, 5},   // ALGO_1
};

int winograd(Pass pass) { return pass == Pass::kForward ? 6 : pass == Pass::kBackwardData ? 4 : -1; }

int output(int in, int kernel, int pad, int stride, int dilation) { return (in + 2 * pad - (dilation * (kernel - 1) + 1)) / stride + 1; }

bool dense_pixels(const Tensor& t) {
  return (t.c == 1 || t.c_stride == 1) && t.w_stride >= static_cast<size_t>(t.c) && t.h_stride >= t.w_stride * static_cast<size_t>(t.w) &&
         t.n_stride >= t.h_stride * static_cast<size_t>(t.h);
}

const char* pass_name(Pass pass) {
  return pass == Pass::kForward ? "cudnnConvolutionForward" : pass == Pass::kBackwardData ? "cudnnConvolutionBackwardData" : "cudnnConvolutionBackwardFilter";
}

}  // namespace

int agree(const Tensor& x, const Tensor& w, const Geometry& g, const Tensor& y) {
  if (x.type != w.type || x.type != y.type) return refuse(kDnnBadParam, "the types of x, w and y differ");
  if (x.n != y.n || x.c != w.c || y.c != w.n) return refuse(kDnnBadParam, "x, w and y don't agree on images or channels");
  if (y.h != output(x.h, w.h, g.pad_h, g.stride_h, g.dilation_h) || y.w != output(x.w, w.w, g.pad_w, g.stride_w, g.dilation_w)) {
    return refuse(kDnnBadParam, "y hasn't the height and width of the convolution's result");
  }
  if (!dense_pixels(x) || !dense_pixels(y)) return refuse(kDnnNotSupported, "only NHWC tensors are emulated");
  return kDnnSuccess;
}

int describe(Pass pass, const TensorDescriptor* x, const FilterDescriptor* w, const ConvolutionDescriptor* conv, const TensorDescriptor* y,
             Problem* problem) {
  if (!exists(x) || !exists(w) || !exists(conv) || !exists(y)) return refuse(kDnnBadParam, "a descriptor doesn't exist or hasn't been set");
  const Tensor &X = x->tensor, &W = w->tensor, &Y = y->tensor;
  const int result = agree(X, W, conv->geometry, Y);
  if (result != kDnnSuccess) return result;
  if (conv->groups != 1 || conv->mode != 1) return refuse(kDnnNotSupported, "only cross-correlation in one group is emulated");
  if (conv->compute != kDnnFloat) return refuse(kDnnNotSupported, "the compute type isn't float");
  if (w->format != kDnnNhwc) return refuse(kDnnNotSupported, "only NHWC filters are emulated");
  if (conv->math == kDnnConversionMath) return refuse(kDnnNotSupported, "CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION isn't emulated");
  if (X.type == Type::kBf16 && conv->math == kDnnFmaMath) return refuse(kDnnNotSupported, "there is no FMA math of bfloat16");
  *problem = Problem{pass, X, Y, W, conv->geometry, conv->math};
  return kDnnSuccess;
}

const Algorithm* algorithms(Pass pass, size_t* count) {
  switch (pass) {
    case Pass::kForward: *count = std::size(kForwardTable); return kForwardTable;
    case Pass::kBackwardData: *count = std::size(kBackwardDataTable); return kBackwardDataTable;
    default: *count = std::size(kBackwardFilterTable); return kBackwardFilterTable;
  }
}

const Algorithm* find(const Problem& p, int id) {
  const Geometry& g = p.geometry;
  if (id == winograd(p.pass) && (p.w.h != 3 || p.w.w != 3 || g.stride_h != 1 || g.stride_w != 1 || p.x.type != Type::kF32)) return nullptr;
  size_t count;
  const Algorithm* all = algorithms(p.pass, &count);
  for (size_t i = 0; i < count; i++) {
    if (all[i].id == id) return &all[i];
  }
  return nullptr;
}

// Without tensor cores an algorithm takes twice the workspace: it depends on the math type, as on hardware.
size_t workspace_bytes(const Problem& p, const Algorithm& a) {
  return columns_bytes(p) * a.workspace_share / 8 * (p.math == kDnnFmaMath ? 2 : 1);
}

size_t columns_bytes(const Problem& p) { return p.y.pixels() * p.w.pixels() * static_cast<size_t>(p.w.c) * sizeof(float); }

float milliseconds(const Problem& p, const Algorithm& a) { return a.milliseconds * (p.math == kDnnFmaMath ? 2 : 1); }

int run(const LibraryHandle& handle, const Problem& p, int algorithm, void* workspace, size_t workspace_size, float alpha, float beta,
        const Epilogue& e) {
  const Algorithm* a = find(p, algorithm);
  if (a == nullptr) return refuse(kDnnNotSupported, "the algorithm doesn't do this convolution");
  const Method m{pass_name(p.pass), a->deterministic, p.math != kDnnFmaMath, milliseconds(p, *a), workspace_bytes(p, *a), false};
  return queue(handle, p, m, workspace, workspace_size, alpha, beta, e);
}

int queue(const LibraryHandle& handle, const Problem& p, const Method& m, void* workspace, size_t workspace_size, float alpha, float beta,
          const Epilogue& e) {
  if (m.workspace_bytes > workspace_size || (m.workspace_bytes > 0 && workspace == nullptr)) {
    return refuse(kDnnBadParam, "the workspace has " + std::to_string(workspace_size) + " bytes; " + std::to_string(m.workspace_bytes) + " are needed");
  }
  for (const void* pointer : {static_cast<const void*>(p.x.data), static_cast<const void*>(p.w.data), static_cast<const void*>(p.y.data),
                              static_cast<const void*>(workspace), e.bias, static_cast<const void*>(e.z.data),
                              static_cast<const void*>(e.sums.data), static_cast<const void*>(e.biased.data)}) {
    if (reinterpret_cast<uintptr_t>(pointer) % 16 != 0) return refuse(kDnnMisaligned, "a pointer isn't a multiple of 16");
  }
  if (p.x.data == nullptr || p.w.data == nullptr || p.y.data == nullptr) return refuse(kDnnNullPointer, "x, w or y is null");
  static uint32_t calls = 0;
  Scaling scaling{alpha, beta, p.x.type == Type::kF32 && m.round_tf32, m.deterministic ? 0 : ++calls};
  std::vector<Span> spans{{"x", p.x.data, p.x.bytes(), p.pass == Pass::kBackwardData},
                          {"w", p.w.data, p.w.bytes(), p.pass == Pass::kBackwardFilter},
                          {"y", p.y.data, p.y.bytes(), p.pass == Pass::kForward},
                          {"the workspace", workspace, workspace == nullptr ? 0 : workspace_size, true}};
  if (e.bias != nullptr) spans.push_back({"the bias", e.bias, static_cast<size_t>(p.y.c) * bytes_of(e.bias_type), false});
  if (e.z.data != nullptr && e.z.data != p.y.data && beta != 0) spans.push_back({"z", e.z.data, e.z.bytes(), false});
  if (e.sums.data != nullptr) spans.push_back({"the sums", e.sums.data, e.sums.bytes(), true});
  if (e.biased.data != nullptr) spans.push_back({"the sums with bias", e.biased.data, e.biased.bytes(), true});
  Problem computed = p;
  if (m.skips_last_image) computed.x.n = --computed.y.n;
  auto work = [workspace, workspace_size, scaling, e, p = computed] {
    // The whole workspace that was promised may be used, and what stood in it is lost.
    spoil(workspace, workspace_size);
    switch (p.pass) {
      case Pass::kForward: convolve(p.y, p.x, p.w, p.geometry, scaling, e); break;
      case Pass::kBackwardData: convolve_backward_data(p.x, p.w, p.y, p.geometry, scaling); break;
      case Pass::kBackwardFilter: convolve_backward_filter(p.w, p.x, p.y, p.geometry, scaling); break;
    }
  };
  if (!enqueue(handle, m.what, std::move(spans), work, m.milliseconds)) return refuse(kDnnExecutionFailed, "the stream doesn't take the work");
  return kDnnSuccess;
}

}  // namespace emulator
