// cuDNN: the search for algorithms and their workspaces.
#include <algorithm>
#include <cstring>
#include <vector>

#include "cudnn.h"
#include "settings.h"

using namespace emulator;

namespace {

// Performance has the layout of cudnnConvolution...AlgoPerf_t.
struct Performance {
  int algorithm;
  int status;
  float milliseconds;
  size_t bytes;
  int determinism;
  int math;
  int reserved[3];
};
static_assert(sizeof(Performance) == 48, "the layout of cudnnConvolutionFwdAlgoPerf_t");

struct Search {
  LibraryHandle* handle;
  int asked;
  int* returned;
  Performance* results;
  void* workspace;
  size_t workspace_size;
  bool runs;  // Find runs the algorithms, Get only lists them
};

// list gives the results of one math type, fastest first, and at the end one algorithm that does no such convolution.
void list(const Problem& p, const Search& s, std::vector<Performance>* out) {
  size_t count;
  const Algorithm* all = algorithms(p.pass, &count);
  constexpr int kFft = 2, kForwardFft = 4;
  for (size_t i = 0; i < count; i++) {
    Performance r{};
    r.algorithm = all[i].id;
    r.determinism = all[i].deterministic ? 1 : 0;
    r.math = p.math;
    r.bytes = workspace_bytes(p, all[i]);
    r.milliseconds = milliseconds(p, all[i]);
    const bool refused = settings().no_legacy || (settings().no_legacy_bf16 && p.x.type == Type::kBf16);
    r.status = refused || find(p, all[i].id) == nullptr ? kDnnNotSupported : s.runs && r.bytes > s.workspace_size ? kDnnAllocFailed : kDnnSuccess;
    out->push_back(r);
  }
  out->push_back(Performance{p.pass == Pass::kForward ? kForwardFft : kFft, kDnnNotSupported, -1, 0, 1, p.math, {}});
}

// overwrite leaves the result as a search leaves it: written, but not with the product.
void overwrite(const LibraryHandle& handle, const Problem& p, void* workspace, size_t bytes) {
  const Tensor& out = p.pass == Pass::kForward ? p.y : p.pass == Pass::kBackwardData ? p.x : p.w;
  enqueue(handle, "cudnnFindConvolution...AlgorithmEx", {{"the result", out.data, out.bytes(), true}, {"the workspace", workspace, bytes, true}}, [=] {
    spoil(workspace, bytes);
    for (int n = 0; n < out.n; n++) {
      for (int h = 0; h < out.h; h++) {
        for (int w = 0; w < out.w; w++) std::memset(static_cast<char*>(out.data) + out.at(n, h, w, 0) * bytes_of(out.type), kUnwritten, static_cast<size_t>(out.c) * bytes_of(out.type));
      }
    }
  });
}

int search(const Search& s, Pass pass, const TensorDescriptor* x, const void* x_data, const FilterDescriptor* w, const void* w_data,
           const ConvolutionDescriptor* conv, const TensorDescriptor* y, const void* y_data) {
  Entry entry(s.runs ? Entry::kNoCapture : Entry::kContext);
  if (!exists(s.handle)) return refuse(kDnnNotInitialized, "no such handle");
  if (!s.handle->usable(entry)) return refuse(kDnnExecutionFailed, "the handle's context isn't current, or a capture is under way");
  Problem p;
  const int result = describe(pass, x, w, conv, y, &p);
  if (result != kDnnSuccess) return result;
  if (s.asked <= 0 || s.returned == nullptr || s.results == nullptr) return refuse(kDnnBadParam, "no place for results");
  if (s.runs && (x_data == nullptr || w_data == nullptr || y_data == nullptr)) return refuse(kDnnNullPointer, "x, w or y is null");
  if (s.runs && s.workspace == nullptr && s.workspace_size != 0) return refuse(kDnnBadParam, "a workspace of some bytes is null");
  p.x.data = const_cast<void*>(x_data);
  p.w.data = const_cast<void*>(w_data);
  p.y.data = const_cast<void*>(y_data);
  std::vector<Performance> results;
  list(p, s, &results);
  if (p.x.type == Type::kF32) {  // the other math types too, whatever the descriptor says
    Problem other = p;
    other.math = p.math == kDnnFmaMath ? kDnnTensorMath : kDnnFmaMath;
    list(other, s, &results);
  }
  // Successes first, the fastest at the head, as cuDNN sorts them.
  std::stable_sort(results.begin(), results.end(), [](const Performance& a, const Performance& b) {
    if ((a.status == kDnnSuccess) != (b.status == kDnnSuccess)) return a.status == kDnnSuccess;
    return a.milliseconds < b.milliseconds;
  });
  *s.returned = std::min(s.asked, static_cast<int>(results.size()));
  std::copy_n(results.begin(), *s.returned, s.results);
  if (s.runs) {
    overwrite(*s.handle, p, s.workspace, s.workspace_size);
    finish(s.handle->target());
  }
  return kDnnSuccess;
}

int workspace_of(LibraryHandle* handle, Pass pass, const TensorDescriptor* x, const FilterDescriptor* w, const ConvolutionDescriptor* conv,
                 const TensorDescriptor* y, int algorithm, size_t* bytes) {
  Entry entry;
  if (!exists(handle)) return refuse(kDnnNotInitialized, "no such handle");
  Problem p;
  const int result = describe(pass, x, w, conv, y, &p);
  if (result != kDnnSuccess) return result;
  const Algorithm* a = find(p, algorithm);
  if (a == nullptr) return refuse(kDnnNotSupported, "the algorithm doesn't do this convolution");
  *bytes = workspace_bytes(p, *a);
  return kDnnSuccess;
}

}  // namespace

EXPORT int cudnnFindConvolutionForwardAlgorithmEx(LibraryHandle* handle, TensorDescriptor* xd, const void* x, FilterDescriptor* wd, const void* w,
                                                  ConvolutionDescriptor* conv, TensorDescriptor* yd, void* y, int asked, int* returned, Performance* results,
                                                  void* workspace, size_t bytes) {
  return search({handle, asked, returned, results, workspace, bytes, true}, Pass::kForward, xd, x, wd, w, conv, yd, y);
}
EXPORT int cudnnFindConvolutionBackwardDataAlgorithmEx(LibraryHandle* handle, FilterDescriptor* wd, const void* w, TensorDescriptor* dyd, const void* dy,
                                                       ConvolutionDescriptor* conv, TensorDescriptor* dxd, void* dx, int asked, int* returned,
                                                       Performance* results, void* workspace, size_t bytes) {
  return search({handle, asked, returned, results, workspace, bytes, true}, Pass::kBackwardData, dxd, dx, wd, w, conv, dyd, dy);
}
EXPORT int cudnnFindConvolutionBackwardFilterAlgorithmEx(LibraryHandle* handle, TensorDescriptor* xd, const void* x, TensorDescriptor* dyd, const void* dy,
                                                         ConvolutionDescriptor* conv, FilterDescriptor* dwd, void* dw, int asked, int* returned,
                                                         Performance* results, void* workspace, size_t bytes) {
  return search({handle, asked, returned, results, workspace, bytes, true}, Pass::kBackwardFilter, xd, x, dwd, dw, conv, dyd, dy);
}

EXPORT int cudnnGetConvolutionForwardAlgorithm_v7(LibraryHandle* handle, TensorDescriptor* x, FilterDescriptor* w, ConvolutionDescriptor* conv,
                                                  TensorDescriptor* y, int asked, int* returned, Performance* results) {
  return search({handle, asked, returned, results, nullptr, 0, false}, Pass::kForward, x, nullptr, w, nullptr, conv, y, nullptr);
}
EXPORT int cudnnGetConvolutionBackwardDataAlgorithm_v7(LibraryHandle* handle, FilterDescriptor* w, TensorDescriptor* dy, ConvolutionDescriptor* conv,
                                                       TensorDescriptor* dx, int asked, int* returned, Performance* results) {
  return search({handle, asked, returned, results, nullptr, 0, false}, Pass::kBackwardData, dx, nullptr, w, nullptr, conv, dy, nullptr);
}
EXPORT int cudnnGetConvolutionBackwardFilterAlgorithm_v7(LibraryHandle* handle, TensorDescriptor* x, TensorDescriptor* dy, ConvolutionDescriptor* conv,
                                                         FilterDescriptor* dw, int asked, int* returned, Performance* results) {
  return search({handle, asked, returned, results, nullptr, 0, false}, Pass::kBackwardFilter, x, nullptr, dw, nullptr, conv, dy, nullptr);
}

EXPORT int cudnnGetConvolutionForwardWorkspaceSize(LibraryHandle* handle, TensorDescriptor* x, FilterDescriptor* w, ConvolutionDescriptor* conv,
                                                   TensorDescriptor* y, int algorithm, size_t* bytes) {
  return workspace_of(handle, Pass::kForward, x, w, conv, y, algorithm, bytes);
}
EXPORT int cudnnGetConvolutionBackwardDataWorkspaceSize(LibraryHandle* handle, FilterDescriptor* w, TensorDescriptor* dy, ConvolutionDescriptor* conv,
                                                        TensorDescriptor* dx, int algorithm, size_t* bytes) {
  return workspace_of(handle, Pass::kBackwardData, dx, w, conv, dy, algorithm, bytes);
}
EXPORT int cudnnGetConvolutionBackwardFilterWorkspaceSize(LibraryHandle* handle, TensorDescriptor* x, TensorDescriptor* dy, ConvolutionDescriptor* conv,
                                                          FilterDescriptor* dw, int algorithm, size_t* bytes) {
  return workspace_of(handle, Pass::kBackwardFilter, x, dw, conv, dy, algorithm, bytes);
}
