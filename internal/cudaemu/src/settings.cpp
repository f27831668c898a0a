#include "settings.h"

#include <cstdlib>
#include <cstring>

#include "fatal.h"

namespace emulator {
namespace {

uint64_t number(const char* name, uint64_t fallback) {
  const char* text = std::getenv(name);
  if (text == nullptr || *text == 0) return fallback;
  char* end = nullptr;
  const uint64_t value = std::strtoull(text, &end, 10);
  if (*end != 0) fatal("%s is %s; a whole number is wanted", name, text);
  return value;
}

// word is one of two that a variable may say, as their number, or 0 without it.
int word(const char* name, const char* first, const char* second) {
  const char* text = std::getenv(name);
  if (text == nullptr || *text == 0) return 0;
  if (std::strcmp(text, first) == 0) return 1;
  if (std::strcmp(text, second) != 0) fatal("%s is %s; only %s and %s are known", name, text, first, second);
  return 2;
}

bool is(const char* name, const char* wanted) {
  const char* text = std::getenv(name);
  if (text == nullptr || *text == 0) return false;
  if (std::strcmp(text, wanted) != 0) fatal("%s is %s; only %s is known", name, text, wanted);
  return true;
}

Settings read() {
  Settings s;
  s.devices = static_cast<int>(number("RINGLOOM_EMULATOR_DEVICES", s.devices));
  s.memory_bytes = number("RINGLOOM_EMULATOR_MEMORY", s.memory_bytes);
  s.seed = number("RINGLOOM_EMULATOR_SEED", s.seed);
  s.check_each = is("RINGLOOM_EMULATOR_CHECK", "each");
  s.leaks_abort = is("RINGLOOM_EMULATOR_LEAKS", "abort");
  s.mig = is("RINGLOOM_EMULATOR_MIG", "1");
  s.trace = is("RINGLOOM_EMULATOR_TRACE", "1");
  const int legacy = word("RINGLOOM_EMULATOR_LEGACY", "float32", "none");
  s.no_legacy_bf16 = legacy != 0;
  s.no_legacy = legacy == 2;
  s.cudnn = number("RINGLOOM_EMULATOR_CUDNN", s.cudnn);
  if (const char* cache = std::getenv("RINGLOOM_EMULATOR_CACHE")) s.cache = cache;
  return s;
}

}  // namespace

const Settings& settings() {
  static const Settings s = read();
  return s;
}

}  // namespace emulator
