// cuDNN: what each kind of backend descriptor is checked for when it is finalised, and what it gives out then.
#include <algorithm>
#include <set>

#include "cudnn_backend.h"

namespace emulator {
namespace {

bool fits(int64_t v, int64_t least) { return v >= least && v < int64_t{1} << 31; }

int finalize_tensor(Backend& b) {
  const auto* dims = b.get<int64_t>(kTensorDimensions);
  const auto* strides = b.get<int64_t>(kTensorStrides);
  const int type = *b.get<int>(kTensorType);
  const int64_t alignment = *b.get<int64_t>(kTensorAlignment);
  if (type != kDnnFloat && type != kDnnBf16) return refuse(kDnnNotSupported, "only float and bfloat16 are emulated");
  for (int i = 0; i < 4; i++) {
    if (!fits(dims[i], 1) || !fits(strides[i], 1)) return refuse(kDnnBadParam, "a dimension or stride of a tensor");
  }
  const Type t = type == kDnnFloat ? Type::kF32 : Type::kBf16;
  if (alignment <= 0 || (alignment & (alignment - 1)) != 0 || alignment % static_cast<int64_t>(bytes_of(t)) != 0) {
    return refuse(kDnnBadParam, "a tensor's alignment isn't a power of two of at least an element");
  }
  const auto dim = [&](int i) { return static_cast<int>(dims[i]); };
  const auto stride = [&](int i) { return static_cast<size_t>(strides[i]); };
  b.tensor = Tensor{nullptr, t, dim(0), dim(1), dim(2), dim(3), stride(0), stride(1), stride(2), stride(3)};
  return kDnnSuccess;
}

int finalize_convolution(Backend& b) {
  if (*b.get<int64_t>(kConvolutionDims) != 2) return refuse(kDnnNotSupported, "only two spatial dimensions are emulated");
  if (*b.get<int>(kConvolutionCompute) != kDnnFloat) return refuse(kDnnNotSupported, "the compute type isn't float");
  if (*b.get<int>(kConvolutionModeName) != 1) return refuse(kDnnNotSupported, "only cross-correlation is emulated");
  const auto *pre = b.get<int64_t>(kConvolutionPrePads), *post = b.get<int64_t>(kConvolutionPostPads);
  const auto *strides = b.get<int64_t>(kConvolutionStrides), *dilations = b.get<int64_t>(kConvolutionDilations);
  for (int i = 0; i < 2; i++) {
    if (!fits(pre[i], 0) || !fits(strides[i], 1) || !fits(dilations[i], 1)) return refuse(kDnnBadParam, "padding, stride or dilation of a convolution");
    if (pre[i] != post[i]) return refuse(kDnnNotSupported, "padding that differs at the two ends isn't emulated");
  }
  b.problem.geometry = {static_cast<int>(pre[0]),     static_cast<int>(pre[1]),       static_cast<int>(strides[0]),
                        static_cast<int>(strides[1]), static_cast<int>(dilations[0]), static_cast<int>(dilations[1])};
  return kDnnSuccess;
}

int finalize_operation(Backend& b) {
  const int first = b.kind == kBackendForward ? kForwardAlpha : b.kind == kBackendBackwardData ? kBackwardDataAlpha : kBackwardFilterAlpha;
  b.problem.pass = b.kind == kBackendForward ? Pass::kForward : b.kind == kBackendBackwardData ? Pass::kBackwardData : Pass::kBackwardFilter;
  const auto used = [&](int offset) { return b.attributes.at(first + offset).descriptors[0]; };
  const BackendRef tensors[3] = {used(kOffsetX), used(kOffsetW), used(kOffsetY)};
  for (int i = 0; i < 3; i++) {
    b.ids[i] = *tensors[i]->get<int64_t>(kTensorId);
    b.alignments[i] = *tensors[i]->get<int64_t>(kTensorAlignment);
  }
  if (b.ids[0] == b.ids[1] || b.ids[0] == b.ids[2] || b.ids[1] == b.ids[2]) return refuse(kDnnBadParam, "two tensors of an operation have the same unique id");
  if (const auto* alpha = b.get<float>(first)) b.alpha = *alpha;
  if (const auto* beta = b.get<float>(first + kOffsetBeta)) b.beta = *beta;
  b.problem.x = tensors[0]->tensor;
  b.problem.w = tensors[1]->tensor;
  b.problem.y = tensors[2]->tensor;
  b.problem.geometry = used(kOffsetConvolution)->problem.geometry;
  b.problem.math = kDnnDefaultMath;
  const Tensor& f = b.problem.w;
  const auto c = static_cast<size_t>(f.c), fw = static_cast<size_t>(f.w), fh = static_cast<size_t>(f.h);
  if ((c != 1 && f.c_stride != 1) || f.w_stride != c || f.h_stride != fw * c || f.n_stride != fh * fw * c) {
    return refuse(kDnnNotSupported, "only dense NHWC filters are emulated");
  }
  return agree(b.problem.x, f, b.problem.geometry, b.problem.y);
}

// adopt takes over what another descriptor knows of the operation.
void adopt(Backend& b, const Backend& from) {
  b.problem = from.problem;
  b.alpha = from.alpha;
  b.beta = from.beta;
  std::copy_n(from.ids, 3, b.ids);
  std::copy_n(from.alignments, 3, b.alignments);
}

int finalize_graph(Backend& b) {
  const auto* handle = *b.get<const LibraryHandle*>(kGraphHandle);
  if (!exists(handle)) return refuse(kDnnBadParam, "an operation graph of no handle");
  b.handle = handle;
  adopt(b, *b.attributes.at(kGraphOperations).descriptors[0]);
  return kDnnSuccess;
}

int finalize_heuristics(Backend& b) {
  if (proposals(*b.get<int>(kHeuristicsMode)) == nullptr) return refuse(kDnnNotSupported, "only the heuristics' modes A and fallback are emulated");
  return kDnnSuccess;
}

int finalize_plan(Backend& b) {
  Entry entry(Entry::kNoCapture);  // it may compile and load code
  const auto* handle = *b.get<const LibraryHandle*>(kPlanHandle);
  const BackendRef config = b.attributes.at(kPlanConfig).descriptors[0];
  if (!exists(handle) || handle != config->handle) return refuse(kDnnBadParam, "a plan's handle isn't its operation graph's");
  if (!handle->usable(entry)) return refuse(kDnnExecutionFailed, "the handle's context isn't current, or a capture is under way");
  if (!runs(*config->engine, config->problem)) return refuse(kDnnNotSupported, "engine " + std::to_string(config->engine->index) + " doesn't do this operation");
  adopt(b, *config);
  b.handle = handle;
  b.engine = config->engine;
  return kDnnSuccess;
}

int finalize_pack(Backend& b) {
  const Attribute &ids = b.attributes.at(kPackIds), &pointers = b.attributes.at(kPackPointers);
  if (ids.count != pointers.count) return refuse(kDnnBadParam, "a variant pack has " + std::to_string(ids.count) + " ids and " + std::to_string(pointers.count) + " pointers");
  const auto* first = b.get<int64_t>(kPackIds);
  if (std::set<int64_t>(first, first + ids.count).size() != static_cast<size_t>(ids.count)) return refuse(kDnnBadParam, "a variant pack has an id twice");
  return kDnnSuccess;
}

}  // namespace

int finalize(Backend& b) {
  b.uses.clear();
  for (const auto& [name, attribute] : b.attributes) {
    for (const BackendRef& used : attribute.descriptors) {
      if (!sound(used)) return refuse(kDnnBadParam, "attribute " + std::to_string(name) + " is a descriptor that has been destroyed");
      b.uses.push_back(used);
    }
  }
  switch (b.kind) {
    case kBackendTensor: return finalize_tensor(b);
    case kBackendConvolution: return finalize_convolution(b);
    case kBackendForward:
    case kBackendBackwardData:
    case kBackendBackwardFilter: return finalize_operation(b);
    case kBackendGraph: return finalize_graph(b);
    case kBackendHeuristics: return finalize_heuristics(b);
    case kBackendPlan: return finalize_plan(b);
    case kBackendPack: return finalize_pack(b);
    default: return refuse(kDnnNotSupported, "engines and configurations of the caller's own aren't emulated");
  }
}

std::vector<Backend> results(const Backend& b, int name) {
  std::vector<Backend> all;
  if (name == kConfigEngine) {
    Backend engine = b;
    engine.kind = kBackendEngine;
    all.push_back(engine);
  }
  if (name == kHeuristicsResults) {
    const BackendRef graph = b.attributes.at(kHeuristicsGraph).descriptors[0];
    for (const Engine* e : *proposals(*b.get<int>(kHeuristicsMode))) {
      Backend config(kBackendConfig);
      adopt(config, *graph);
      config.finalized = true;
      config.handle = graph->handle;
      config.engine = e;
      config.uses = {graph};
      all.push_back(config);
    }
  }
  return all;
}

}  // namespace emulator
