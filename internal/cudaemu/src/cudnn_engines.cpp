// cuDNN: the engines of its backend API, and what its heuristics say of them.
#include <cstdlib>
#include <set>

#include "cudnn_backend.h"
#include "fatal.h"

namespace emulator {
namespace {

// The fastest ones are those that a careful program must pass over: rounded inputs, a workspace that is too large, sums in no
// fixed order. The next ones are faster than any algorithm of the legacy API. What follows a convolution takes them no time.
constexpr Engine kRounds{17, kTensorCores | kDownConverts, 0.1f, 0, 0, true};
constexpr Engine kHuge{23, 0, 0.2f, 0, size_t{1} << 34, true};
constexpr Engine kUnordered{11, kNondeterministic, 0.3f, 0, 0, true};
constexpr Engine kRefused{1, 0, 0.1f, 0, 0, false};
constexpr Engine kTensorCore{6, kTensorCores, 0.6f, 3, 0, true};
constexpr Engine kPlain{14, 0, 1.2f, 6, 0, true};
constexpr Engine kPlainInLess{14, 0, 1.4f, 2, 0, true};
constexpr Engine kFallback{0, 0, 5.0f, 0, 0, false};

const std::set<std::string> kFaults{"wrong", "overwrites", "unbiased", "unrectified", "lossy", "forgetful", "slow", "fails"};

constexpr int64_t kModeFallback = 2, kModeA = 3;

}  // namespace

const std::vector<const Engine*>* proposals(int64_t mode) {
  static const std::vector<const Engine*> best{&kRounds, &kUnordered, &kRefused, &kHuge, &kPlain, &kTensorCore};
  static const std::vector<const Engine*> fallback{&kRefused, &kFallback, &kPlainInLess};
  return mode == kModeA ? &best : mode == kModeFallback ? &fallback : nullptr;
}

bool runs(const Engine& e, const Computation& c) {
  if (e.index == kRefused.index || (c.fused() && !e.fuses)) return false;
  if (c.epilogue.relu && c.epilogue.keeps_nan && fault(e) == "lossy") return false;
  return (e.notes & kTensorCores) == 0 || (c.problem.x.c % 4 == 0 && c.problem.y.c % 4 == 0);
}

size_t workspace_bytes(const Engine& e, const Problem& p) { return columns_bytes(p) * e.workspace_share / 8 + e.workspace_least; }

std::string fault(const Engine& e) {
  const char* variable = std::getenv("RINGLOOM_EMULATOR_ENGINES");
  std::string all = variable == nullptr ? "" : variable, found;
  while (!all.empty()) {
    const std::string entry = all.substr(0, all.find(','));
    all.erase(0, entry.size() + 1);
    const size_t equals = entry.find('=');
    const std::string word = equals == std::string::npos ? "" : entry.substr(equals + 1);
    if (kFaults.count(word) == 0) fatal("RINGLOOM_EMULATOR_ENGINES has %s", entry.c_str());
    if (entry.substr(0, equals) == std::to_string(e.index)) found = word;
  }
  return found;
}

}  // namespace emulator
