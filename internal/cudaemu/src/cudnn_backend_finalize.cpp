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
  if (const auto* is_virtual = b.get<bool>(kTensorVirtual)) b.is_virtual = *is_virtual;
  if (b.is_virtual && t != Type::kF32) return refuse(kDnnNotSupported, "only virtual tensors of float are emulated");
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
  const auto at = [](const int64_t* values, int i) { return static_cast<int>(values[i]); };
  b.computation.problem.geometry = {at(pre, 0), at(pre, 1), at(strides, 0), at(strides, 1), at(dilations, 0), at(dilations, 1)};
  return kDnnSuccess;
}

int finalize_convolution_operation(Backend& b) {
  const int first = b.kind == kBackendForward ? kForwardAlpha : b.kind == kBackendBackwardData ? kBackwardDataAlpha : kBackwardFilterAlpha;
  const auto used = [&](int offset) { return b.attributes.at(first + offset).descriptors[0]; };
  const BackendRef x = used(kOffsetX), w = used(kOffsetW), y = used(kOffsetY);
  const int64_t ids[] = {*x->get<int64_t>(kTensorId), *w->get<int64_t>(kTensorId), *y->get<int64_t>(kTensorId)};
  if (ids[0] == ids[1] || ids[0] == ids[2] || ids[1] == ids[2]) return refuse(kDnnBadParam, "two tensors of an operation have the same unique id");
  Problem& p = b.computation.problem;
  switch (b.kind) {
    case kBackendForward: p.pass = Pass::kForward, b.reads = {x, w}, b.writes = y; break;
    case kBackendBackwardData: p.pass = Pass::kBackwardData, b.reads = {w, y}, b.writes = x; break;
    default: p.pass = Pass::kBackwardFilter, b.reads = {x, y}, b.writes = w; break;
  }
  if (const auto* alpha = b.get<float>(first)) b.computation.alpha = *alpha;
  if (const auto* beta = b.get<float>(first + kOffsetBeta)) b.computation.beta = *beta;
  p.x = x->tensor;
  p.w = w->tensor;
  p.y = y->tensor;
  p.geometry = used(kOffsetConvolution)->computation.problem.geometry;
  p.math = kDnnDefaultMath;
  const Tensor& f = p.w;
  const auto c = static_cast<size_t>(f.c), fw = static_cast<size_t>(f.w), fh = static_cast<size_t>(f.h);
  if ((c != 1 && f.c_stride != 1) || f.w_stride != c || f.h_stride != fw * c || f.n_stride != fh * fw * c) {
    return refuse(kDnnNotSupported, "only dense NHWC filters are emulated");
  }
  Tensor typed = p.y;  // sums may be of another type than what they are made of, if something follows: see compose
  if (p.pass == Pass::kForward) typed.type = p.x.type;
  return agree(p.x, f, p.geometry, typed);
}

int finalize_pointwise(Backend& b) {
  const int mode = *b.get<int>(kPointwiseModeName);
  if (mode != kPointwiseAdd && mode != kPointwiseRelu) return refuse(kDnnNotSupported, "of pointwise modes only addition and ReLU are emulated");
  if (*b.get<int>(kPointwiseCompute) != kDnnFloat) return refuse(kDnnNotSupported, "the compute type isn't float");
  const auto* nan = b.get<int>(kPointwiseNan);
  if (nan != nullptr && *nan != 0 && *nan != 1) return refuse(kDnnBadParam, "there is no such way to treat NaN");
  return kDnnSuccess;
}

int finalize_pointwise_operation(Backend& b) {
  const auto used = [&](int name) { return b.attributes.at(name).descriptors[0]; };
  const int mode = *used(kPointwiseDescriptor)->get<int>(kPointwiseModeName);
  const bool has_b = b.attributes.count(kPointwiseB) != 0;
  if (has_b != (mode == kPointwiseAdd)) return refuse(kDnnBadParam, has_b ? "ReLU has no second operand" : "an addition has no second operand");
  b.reads = {used(kPointwiseX)};
  if (has_b) b.reads.push_back(used(kPointwiseB));
  b.writes = used(kPointwiseY);
  const auto fits = [](int of, int result) { return of == result || of == 1; };
  const Tensor& y = b.writes->tensor;
  for (const BackendRef& r : b.reads) {
    const Tensor& t = r->tensor;
    if (!fits(t.n, y.n) || !fits(t.c, y.c) || !fits(t.h, y.h) || !fits(t.w, y.w)) {
      return refuse(kDnnBadParam, "an operand of a pointwise operation has neither the result's dimensions nor 1");
    }
  }
  return kDnnSuccess;
}

int finalize_graph(Backend& b) {
  const auto* handle = *b.get<const LibraryHandle*>(kGraphHandle);
  if (!exists(handle)) return refuse(kDnnBadParam, "an operation graph of no handle");
  b.handle = handle;
  return compose(b.attributes.at(kGraphOperations).descriptors, &b.computation);
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
  if (!runs(*config->engine, config->computation)) return refuse(kDnnNotSupported, "engine " + std::to_string(config->engine->index) + " doesn't do this operation");
  b.computation = config->computation;
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
    case kBackendBackwardFilter: return finalize_convolution_operation(b);
    case kBackendPointwise: return finalize_pointwise(b);
    case kBackendPointwiseOperation: return finalize_pointwise_operation(b);
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
      config.computation = graph->computation;
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
