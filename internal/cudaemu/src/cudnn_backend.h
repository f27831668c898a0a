// What the files of cuDNN's backend (graph) API share: descriptors as bags of attributes, and the engines.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cudnn.h"

namespace emulator {

// cudnnBackendDescriptorType_t
enum BackendKind : int {
  kBackendPointwise = 0,
  kBackendConvolution = 1,
  kBackendEngine = 2,
  kBackendConfig = 3,
  kBackendHeuristics = 4,
  kBackendPlan = 5,
  kBackendForward = 10,
  kBackendBackwardFilter = 11,
  kBackendBackwardData = 12,
  kBackendPointwiseOperation = 13,
  kBackendGraph = 15,
  kBackendPack = 16,
  kBackendTensor = 17,
};

// cudnnBackendAttributeType_t
enum BackendType : int {
  kHandle = 0, kDataType = 1, kBoolean = 2, kInt64 = 3, kFloat = 4, kVoidPointer = 6, kConvolutionMode = 7, kHeuristicMode = 8, kNanPropagation = 10,
  kNumericalNote = 11, kPointwiseMode = 14, kDescriptor = 15,
};

// cudnnBackendAttributeName_t. A convolution's are its alpha, and at offsets from there its others.
enum BackendName : int {
  kPointwiseModeName = 0, kPointwiseCompute, kPointwiseNan,
  kConvolutionCompute = 100, kConvolutionModeName, kConvolutionDilations, kConvolutionStrides, kConvolutionPostPads, kConvolutionPrePads, kConvolutionDims,
  kHeuristicsMode = 200, kHeuristicsGraph, kHeuristicsResults,
  kConfigEngine = 300,
  kPlanHandle = 400, kPlanConfig, kPlanWorkspace,
  kForwardAlpha = 700, kBackwardDataAlpha = 706, kBackwardFilterAlpha = 712,
  kPointwiseDescriptor = 750, kPointwiseX, kPointwiseB, kPointwiseY, kPointwiseAlpha1, kPointwiseAlpha2,
  kGraphHandle = 800, kGraphOperations,
  kTensorAlignment = 900, kTensorType, kTensorDimensions, kTensorStrides, kTensorId = 906, kTensorVirtual,
  kPackIds = 1000, kPackPointers, kPackWorkspace = 1003,
  kEngineIndex = 1301, kEngineNotes = 1303,
};
enum Offset : int { kOffsetBeta = 1, kOffsetConvolution, kOffsetW, kOffsetX, kOffsetY };

constexpr int kPointwiseAdd = 0, kPointwiseRelu = 100;  // cudnnPointwiseMode_t

// Notes of an engine, by bit (cudnnBackendNumericalNote_t).
constexpr unsigned kTensorCores = 1u << 0, kDownConverts = 1u << 1, kNondeterministic = 1u << 4;

// Role is what a tensor is to an operation graph.
enum class Role { kX, kW, kY, kBias, kSums, kBiased };

// Computation is what an operation graph comes to: a convolution, and behind a forward one a bias and a ReLU. No tensor has data.
struct Computation {
  struct Operand {
    Role role;
    int64_t id, alignment;
  };

  Problem problem{};
  float alpha = 1, beta = 0;
  bool bias = false;
  Epilogue epilogue;
  std::vector<Operand> operands;  // the tensors that a variant pack must have: all that aren't virtual

  bool fused() const { return bias || epilogue.relu; }
};

// Engine is a row of the table of engines, which all three passes share: an engine with a choice of its knobs.
struct Engine {
  int64_t index;
  unsigned notes;
  float milliseconds;
  size_t workspace_share;  // of one image's columns, in eighths
  size_t workspace_least;
  bool fuses;
};

// The engines that a mode of the heuristics proposes, best first by its own belief. null: there is no such mode.
const std::vector<const Engine*>* proposals(int64_t mode);
// runs says whether an engine does this; a plan of one that doesn't is refused.
bool runs(const Engine& e, const Computation& c);
size_t workspace_bytes(const Engine& e, const Problem& p);
// fault is what RINGLOOM_EMULATOR_ENGINES says of an engine at this moment, or empty.
std::string fault(const Engine& e);

struct Backend;
using BackendRef = std::shared_ptr<Backend>;

struct Attribute {
  int type;
  int64_t count;
  std::vector<unsigned char> bytes;
  std::vector<BackendRef> descriptors;  // instead of bytes
};

struct Backend {
  explicit Backend(int kind) : kind(kind) {}

  int kind;
  bool finalized = false, destroyed = false;
  std::map<int, Attribute> attributes;

  // What finalisation makes of them.
  Tensor tensor;
  bool is_virtual = false;        // a tensor that only exists while the graph runs
  Computation computation;        // of a convolution, and of a graph and all that is made of it
  std::vector<BackendRef> reads;  // an operation's tensors: x and w, w and dy, or x and dy of a convolution; x, and b, of another
  BackendRef writes;
  const LibraryHandle* handle = nullptr;
  const Engine* engine = nullptr;
  std::vector<BackendRef> uses;  // that must outlive it

  template <typename T>
  const T* get(int name) const {
    const auto found = attributes.find(name);
    return found == attributes.end() ? nullptr : reinterpret_cast<const T*>(found->second.bytes.data());
  }
};

inline bool is_convolution(int kind) { return kind == kBackendForward || kind == kBackendBackwardData || kind == kBackendBackwardFilter; }

// lookup gives a descriptor that hasn't been destroyed, or null.
BackendRef lookup(const void* descriptor);
// sound says that a descriptor is finalised, and that neither it nor anything that it is made from has been destroyed.
bool sound(const BackendRef& b);
// plans_of counts the plans of a handle that haven't been destroyed.
size_t plans_of(const LibraryHandle* handle);

// finalize checks a descriptor as a whole. All attributes that it must have are set.
int finalize(Backend& b);
// compose finds out what operations, in whatever order, compute together.
int compose(const std::vector<BackendRef>& operations, Computation* computation);
// Heuristics' results and a configuration's engine are given out as copies, into descriptors of the caller's.
std::vector<Backend> results(const Backend& b, int name);

}  // namespace emulator
