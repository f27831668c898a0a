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
  kBackendConvolution = 1,
  kBackendEngine = 2,
  kBackendConfig = 3,
  kBackendHeuristics = 4,
  kBackendPlan = 5,
  kBackendForward = 10,
  kBackendBackwardFilter = 11,
  kBackendBackwardData = 12,
  kBackendGraph = 15,
  kBackendPack = 16,
  kBackendTensor = 17,
};

// cudnnBackendAttributeType_t
enum BackendType : int { kHandle = 0, kDataType = 1, kInt64 = 3, kFloat = 4, kVoidPointer = 6, kConvolutionMode = 7, kHeuristicMode = 8, kNumericalNote = 11, kDescriptor = 15 };

// cudnnBackendAttributeName_t. An operation's are its alpha, and at offsets from there its others.
enum BackendName : int {
  kConvolutionCompute = 100, kConvolutionModeName, kConvolutionDilations, kConvolutionStrides, kConvolutionPostPads, kConvolutionPrePads, kConvolutionDims,
  kHeuristicsMode = 200, kHeuristicsGraph, kHeuristicsResults,
  kConfigEngine = 300,
  kPlanHandle = 400, kPlanConfig, kPlanWorkspace,
  kForwardAlpha = 700, kBackwardDataAlpha = 706, kBackwardFilterAlpha = 712,
  kGraphHandle = 800, kGraphOperations,
  kTensorAlignment = 900, kTensorType, kTensorDimensions, kTensorStrides, kTensorId = 906,
  kPackIds = 1000, kPackPointers, kPackWorkspace = 1003,
  kEngineIndex = 1301, kEngineNotes = 1303,
};
enum Offset : int { kOffsetBeta = 1, kOffsetConvolution, kOffsetW, kOffsetX, kOffsetY };

// Notes of an engine, by bit (cudnnBackendNumericalNote_t).
constexpr unsigned kTensorCores = 1u << 0, kDownConverts = 1u << 1, kNondeterministic = 1u << 4;

// Engine is a row of the table of engines, which all three passes share.
struct Engine {
  int64_t index;
  unsigned notes;
  float milliseconds;
  size_t workspace_share;  // of one image's columns, in eighths
  size_t workspace_least;
};

// The engines that a mode of the heuristics proposes, best first by its own belief. null: there is no such mode.
const std::vector<const Engine*>* proposals(int64_t mode);
// runs says whether an engine does this problem; a plan of one that doesn't is refused.
bool runs(const Engine& e, const Problem& p);
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

  // What finalisation makes of them. An operation's problem has no data; a plan, configuration and graph have their operation's.
  Tensor tensor;
  Problem problem{};
  float alpha = 1, beta = 0;
  int64_t ids[3] = {}, alignments[3] = {};  // of x, w and y
  const LibraryHandle* handle = nullptr;
  const Engine* engine = nullptr;
  std::vector<BackendRef> uses;  // that must outlive it

  template <typename T>
  const T* get(int name) const {
    const auto found = attributes.find(name);
    return found == attributes.end() ? nullptr : reinterpret_cast<const T*>(found->second.bytes.data());
  }
};

// lookup gives a descriptor that hasn't been destroyed, or null.
BackendRef lookup(const void* descriptor);
// sound says that a descriptor is finalised, and that neither it nor anything that it is made from has been destroyed.
bool sound(const BackendRef& b);
// plans_of counts the plans of a handle that haven't been destroyed.
size_t plans_of(const LibraryHandle* handle);

// finalize checks a descriptor as a whole. All attributes that it must have are set.
int finalize(Backend& b);
// Heuristics' results and a configuration's engine are given out as copies, into descriptors of the caller's.
std::vector<Backend> results(const Backend& b, int name);

}  // namespace emulator
