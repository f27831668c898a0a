// cuDNN's backend API: descriptors, and their attributes with their types and counts.
#include "cudnn_backend.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>

using namespace emulator;

namespace {

// Row is an attribute that a kind of descriptor has.
struct Row {
  int kind, name, type;
  int64_t least, most;  // elements
  enum { kOptional, kRequired, kReadOnly } use;
  int of = 0;  // for descriptors: their kind
};

constexpr int64_t kMany = 16;
constexpr int kAnyOperation = -1;

constexpr Row kRows[] = {
    {kBackendTensor, kTensorAlignment, kInt64, 1, 1, Row::kRequired},
    {kBackendTensor, kTensorType, kDataType, 1, 1, Row::kRequired},
    {kBackendTensor, kTensorDimensions, kInt64, 4, 4, Row::kRequired},
    {kBackendTensor, kTensorStrides, kInt64, 4, 4, Row::kRequired},
    {kBackendTensor, kTensorId, kInt64, 1, 1, Row::kRequired},
    {kBackendTensor, kTensorVirtual, kBoolean, 1, 1, Row::kOptional},
    {kBackendConvolution, kConvolutionCompute, kDataType, 1, 1, Row::kRequired},
    {kBackendConvolution, kConvolutionModeName, kConvolutionMode, 1, 1, Row::kRequired},
    {kBackendConvolution, kConvolutionDilations, kInt64, 2, 2, Row::kRequired},
    {kBackendConvolution, kConvolutionStrides, kInt64, 2, 2, Row::kRequired},
    {kBackendConvolution, kConvolutionPostPads, kInt64, 2, 2, Row::kRequired},
    {kBackendConvolution, kConvolutionPrePads, kInt64, 2, 2, Row::kRequired},
    {kBackendConvolution, kConvolutionDims, kInt64, 1, 1, Row::kRequired},
    {kBackendGraph, kGraphHandle, kHandle, 1, 1, Row::kRequired},
    {kBackendPointwise, kPointwiseModeName, kPointwiseMode, 1, 1, Row::kRequired},
    {kBackendPointwise, kPointwiseCompute, kDataType, 1, 1, Row::kRequired},
    {kBackendPointwise, kPointwiseNan, kNanPropagation, 1, 1, Row::kOptional},
    {kBackendPointwiseOperation, kPointwiseDescriptor, kDescriptor, 1, 1, Row::kRequired, kBackendPointwise},
    {kBackendPointwiseOperation, kPointwiseX, kDescriptor, 1, 1, Row::kRequired, kBackendTensor},
    {kBackendPointwiseOperation, kPointwiseB, kDescriptor, 1, 1, Row::kOptional, kBackendTensor},
    {kBackendPointwiseOperation, kPointwiseY, kDescriptor, 1, 1, Row::kRequired, kBackendTensor},
    {kBackendPointwiseOperation, kPointwiseAlpha1, kFloat, 1, 1, Row::kOptional},
    {kBackendPointwiseOperation, kPointwiseAlpha2, kFloat, 1, 1, Row::kOptional},
    {kBackendGraph, kGraphOperations, kDescriptor, 1, kMany, Row::kRequired, kAnyOperation},
    {kBackendHeuristics, kHeuristicsMode, kHeuristicMode, 1, 1, Row::kRequired},
    {kBackendHeuristics, kHeuristicsGraph, kDescriptor, 1, 1, Row::kRequired, kBackendGraph},
    {kBackendHeuristics, kHeuristicsResults, kDescriptor, 0, 0, Row::kReadOnly, kBackendConfig},
    {kBackendConfig, kConfigEngine, kDescriptor, 0, 0, Row::kReadOnly, kBackendEngine},
    {kBackendEngine, kEngineIndex, kInt64, 0, 0, Row::kReadOnly},
    {kBackendEngine, kEngineNotes, kNumericalNote, 0, 0, Row::kReadOnly},
    {kBackendPlan, kPlanHandle, kHandle, 1, 1, Row::kRequired},
    {kBackendPlan, kPlanConfig, kDescriptor, 1, 1, Row::kRequired, kBackendConfig},
    {kBackendPlan, kPlanWorkspace, kInt64, 0, 0, Row::kReadOnly},
    {kBackendPack, kPackIds, kInt64, 1, kMany, Row::kRequired},
    {kBackendPack, kPackPointers, kVoidPointer, 1, kMany, Row::kRequired},
    {kBackendPack, kPackWorkspace, kVoidPointer, 1, 1, Row::kRequired},
};

// rows are the attributes of a kind.
std::vector<Row> rows(int kind) {
  std::vector<Row> all;
  std::copy_if(std::begin(kRows), std::end(kRows), std::back_inserter(all), [kind](const Row& r) { return r.kind == kind; });
  if (is_convolution(kind)) {
    const int first = kind == kBackendForward ? kForwardAlpha : kind == kBackendBackwardData ? kBackwardDataAlpha : kBackwardFilterAlpha;
    all.push_back({kind, first, kFloat, 1, 1, Row::kOptional});
    all.push_back({kind, first + kOffsetBeta, kFloat, 1, 1, Row::kOptional});
    all.push_back({kind, first + kOffsetConvolution, kDescriptor, 1, 1, Row::kRequired, kBackendConvolution});
    for (const int offset : {kOffsetW, kOffsetX, kOffsetY}) all.push_back({kind, first + offset, kDescriptor, 1, 1, Row::kRequired, kBackendTensor});
  }
  return all;
}

bool suits(const Row& r, int kind) { return r.of == kind || (r.of == kAnyOperation && (is_convolution(kind) || kind == kBackendPointwiseOperation)); }

size_t bytes_of_type(int type) {
  switch (type) {
    case kBoolean: return sizeof(bool);
    case kHandle:
    case kInt64:
    case kVoidPointer: return 8;
    default: return 4;
  }
}

std::unordered_map<const void*, BackendRef>& live() {
  static auto& all = *new std::unordered_map<const void*, BackendRef>;
  return all;
}

std::string named(const Backend& b, int name) { return "attribute " + std::to_string(name) + " of a descriptor of type " + std::to_string(b.kind); }

// row finds an attribute and checks its type.
int row(const Backend& b, int name, int type, Row* out) {
  const auto all = rows(b.kind);
  const auto found = std::find_if(all.begin(), all.end(), [name](const Row& r) { return r.name == name; });
  if (found == all.end()) return refuse(kDnnBadParam, "there is no " + named(b, name));
  if (found->type != type) return refuse(kDnnBadParam, named(b, name) + " is of type " + std::to_string(found->type) + ", not " + std::to_string(type));
  *out = *found;
  return kDnnSuccess;
}

int set(Backend& b, const Row& r, int64_t count, const void* values) {
  Attribute a{r.type, count, {}, {}};
  const auto* bytes = static_cast<const unsigned char*>(values);
  if (r.type != kDescriptor) {
    a.bytes.assign(bytes, bytes + static_cast<size_t>(count) * bytes_of_type(r.type));
  } else {
    for (int64_t i = 0; i < count; i++) {
      const BackendRef used = lookup(static_cast<void* const*>(values)[i]);
      if (!used || !used->finalized || !suits(r, used->kind)) return refuse(kDnnBadParam, named(b, r.name) + " isn't a finalised descriptor of the right type");
      a.descriptors.push_back(used);
    }
  }
  b.attributes[r.name] = std::move(a);
  return kDnnSuccess;
}

// give copies an array out; null asks for the count alone.
template <typename T>
int give(const std::vector<T>& from, int64_t asked, int64_t* got, void* values) {
  *got = static_cast<int64_t>(from.size());
  if (asked > 0) std::copy_n(from.begin(), std::min(asked, *got), static_cast<T*>(values));
  return kDnnSuccess;
}

// give_descriptors fills descriptors that the caller has created.
int give_descriptors(const Backend& b, const Row& r, int64_t asked, int64_t* got, void* values) {
  const auto all = results(b, r.name);
  *got = static_cast<int64_t>(all.size());
  for (int64_t i = 0; i < std::min(asked, *got); i++) {
    const BackendRef to = lookup(static_cast<void**>(values)[i]);
    if (!to || to->finalized || to->kind != r.of) return refuse(kDnnBadParam, named(b, r.name) + " wants new descriptors of the right type to fill");
    *to = all[static_cast<size_t>(i)];
  }
  return kDnnSuccess;
}

int get(const Backend& b, const Row& r, int64_t asked, int64_t* got, void* values) {
  switch (r.name) {
    case kHeuristicsResults:
    case kConfigEngine: return give_descriptors(b, r, asked, got, values);
    case kEngineIndex: return give(std::vector<int64_t>{b.engine->index}, asked, got, values);
    case kPlanWorkspace: return give(std::vector<int64_t>{static_cast<int64_t>(workspace_bytes(*b.engine, b.computation.problem))}, asked, got, values);
    case kEngineNotes: {
      std::vector<int> notes;
      for (int i = 0; i < 32; i++) {
        if ((b.engine->notes >> i & 1) != 0) notes.push_back(i);
      }
      return give(notes, asked, got, values);
    }
    default: return refuse(kDnnNotSupported, "reading " + named(b, r.name) + " isn't emulated");
  }
}

void set_data(Computation* c, Role role, void* data) {
  switch (role) {
    case Role::kX: c->problem.x.data = data; break;
    case Role::kW: c->problem.w.data = data; break;
    case Role::kY: c->problem.y.data = data; break;
    case Role::kBias: c->epilogue.bias = data; break;
    case Role::kSums: c->epilogue.sums.data = data; break;
    case Role::kBiased: c->epilogue.biased.data = data; break;
  }
}

// place gives a computation's tensors the addresses of a variant pack.
int place(Computation* c, const Backend& pack) {
  const int64_t count = pack.attributes.at(kPackIds).count;
  if (count != static_cast<int64_t>(c->operands.size())) {
    return refuse(kDnnBadParam, "the plan has " + std::to_string(c->operands.size()) + " tensors, the variant pack " + std::to_string(count));
  }
  for (const Computation::Operand& o : c->operands) {
    const auto* ids = pack.get<int64_t>(kPackIds);
    const auto* at = std::find(ids, ids + count, o.id);
    if (at == ids + count) return refuse(kDnnBadParam, "the variant pack has no tensor " + std::to_string(o.id));
    void* data = pack.get<void*>(kPackPointers)[at - ids];
    if (data == nullptr) return refuse(kDnnNullPointer, "tensor " + std::to_string(o.id) + " is null");
    if (reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(o.alignment) != 0) {
      return refuse(kDnnMisaligned, "tensor " + std::to_string(o.id) + " isn't aligned as its descriptor says");
    }
    set_data(c, o.role, data);
  }
  return kDnnSuccess;
}

}  // namespace

namespace emulator {

BackendRef lookup(const void* descriptor) {
  const auto found = live().find(descriptor);
  return found == live().end() ? nullptr : found->second;
}

bool sound(const BackendRef& b) { return b->finalized && !b->destroyed && std::all_of(b->uses.begin(), b->uses.end(), sound); }

size_t plans_of(const LibraryHandle* handle) {
  return static_cast<size_t>(std::count_if(live().begin(), live().end(), [handle](const auto& d) { return d.second->kind == kBackendPlan && d.second->handle == handle; }));
}

}  // namespace emulator

EXPORT int cudnnBackendCreateDescriptor(int kind, void** descriptor) {
  Entry entry(Entry::kNothing);
  if (descriptor == nullptr) return refuse(kDnnNullPointer, "no place for the descriptor");
  constexpr uint64_t kFirst = 8300;  // the version that brought mode A of the heuristics
  if (settings().cudnn < kFirst) return refuse(kDnnNotSupported, "cuDNN of this version has no such API");
  if (rows(kind).empty()) return refuse(kDnnNotSupported, "backend descriptors of type " + std::to_string(kind) + " aren't emulated");
  auto made = std::make_shared<Backend>(kind);
  *descriptor = made.get();
  live()[made.get()] = std::move(made);
  return kDnnSuccess;
}

EXPORT int cudnnBackendDestroyDescriptor(void* descriptor) {
  Entry entry(Entry::kNothing);
  const BackendRef b = lookup(descriptor);
  if (!b) return refuse(kDnnBadParam, "a descriptor that doesn't exist is destroyed");
  b->destroyed = true;
  live().erase(descriptor);
  return kDnnSuccess;
}

EXPORT int cudnnBackendSetAttribute(void* descriptor, int name, int type, int64_t count, const void* values) {
  Entry entry(Entry::kNothing);
  const BackendRef b = lookup(descriptor);
  if (!b) return refuse(kDnnBadParam, "no such backend descriptor");
  if (b->finalized) return refuse(kDnnNotInitialized, "the descriptor is already finalised");
  Row r;
  const int result = row(*b, name, type, &r);
  if (result != kDnnSuccess) return result;
  if (r.use == Row::kReadOnly) return refuse(kDnnBadParam, named(*b, name) + " can't be set");
  if (count < r.least || count > r.most) return refuse(kDnnBadParam, named(*b, name) + " doesn't take " + std::to_string(count) + " values");
  if (values == nullptr) return refuse(kDnnNullPointer, "no values");
  return set(*b, r, count, values);
}

EXPORT int cudnnBackendFinalize(void* descriptor) {
  Entry entry(Entry::kNothing);
  const BackendRef b = lookup(descriptor);
  if (!b) return refuse(kDnnBadParam, "no such backend descriptor");
  if (b->finalized) return refuse(kDnnBadParam, "the descriptor is already finalised");
  for (const Row& r : rows(b->kind)) {
    if (r.use == Row::kRequired && b->attributes.count(r.name) == 0) return refuse(kDnnBadParam, named(*b, r.name) + " isn't set");
  }
  const int result = finalize(*b);
  b->finalized = result == kDnnSuccess;
  return result;
}

EXPORT int cudnnBackendGetAttribute(void* descriptor, int name, int type, int64_t asked, int64_t* got, void* values) {
  Entry entry(Entry::kNothing);
  const BackendRef b = lookup(descriptor);
  if (!b) return refuse(kDnnBadParam, "no such backend descriptor");
  if (!sound(b)) return refuse(kDnnNotInitialized, "the descriptor, or one that it is made from, isn't finalised or has been destroyed");
  Row r;
  const int result = row(*b, name, type, &r);
  if (result != kDnnSuccess) return result;
  if (got == nullptr || asked < 0 || (asked > 0 && values == nullptr)) return refuse(kDnnBadParam, "no place for values");
  return get(*b, r, asked, got, values);
}

EXPORT int cudnnBackendExecute(LibraryHandle* handle, void* plan, void* pack) {
  Entry entry;
  const BackendRef p = lookup(plan), v = lookup(pack);
  if (!exists(handle)) return refuse(kDnnNotInitialized, "no such handle");
  if (!handle->usable(entry)) return refuse(kDnnExecutionFailed, "the handle's context isn't current");
  if (!p || p->kind != kBackendPlan || !sound(p)) return refuse(kDnnBadParam, "no finalised plan, or what it is made from has been destroyed");
  if (!v || v->kind != kBackendPack || !sound(v)) return refuse(kDnnBadParam, "no finalised variant pack");
  if (p->handle != handle) return refuse(kDnnBadParam, "the plan is another handle's");
  Computation c = p->computation;
  const int result = place(&c, *v);
  if (result != kDnnSuccess) return result;
  const Engine& e = *p->engine;
  const std::string wrong = fault(e);
  if (wrong == "fails") return refuse(kDnnExecutionFailed, "RINGLOOM_EMULATOR_ENGINES wants engine " + std::to_string(e.index) + " to fail");
  if (wrong == "unbiased") c.epilogue.bias = nullptr;
  if (wrong == "unrectified") c.epilogue.relu = false;
  if (wrong == "forgetful") c.epilogue.keeps_nan = false;
  const size_t bytes = workspace_bytes(e, c.problem);
  const Method m{"cuDNN's engine " + std::to_string(e.index), (e.notes & kNondeterministic) == 0, (e.notes & kTensorCores) != 0,
                 e.milliseconds * (wrong == "slow" ? 100 : 1), bytes, wrong == "wrong"};
  return queue(*handle, c.problem, m, *v->get<void*>(kPackWorkspace), bytes, c.alpha, wrong == "overwrites" ? 0 : c.beta, c.epilogue);
}
