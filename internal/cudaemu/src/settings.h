// What the environment says about the emulated machine. Read once, at the first use.
#pragma once

#include <cstdint>
#include <string>

namespace emulator {

struct Settings {
  int devices = 1;                      // RINGLOOM_EMULATOR_DEVICES
  size_t memory_bytes = size_t{2} << 30;  // RINGLOOM_EMULATOR_MEMORY: bytes of each device
  uint64_t seed = 0;                    // RINGLOOM_EMULATOR_SEED: 0 runs everything as late as it may, others choose at random
  bool check_each = false;              // RINGLOOM_EMULATOR_CHECK=each: guard zones are checked after every piece of work
  bool leaks_abort = false;             // RINGLOOM_EMULATOR_LEAKS=abort: anything left when a context ends is an error
  bool mig = false;                     // RINGLOOM_EMULATOR_MIG=1: the devices are slices of one GPU
  bool trace = false;                   // RINGLOOM_EMULATOR_TRACE=1: each piece of work is written to stderr as it runs
  uint64_t cudnn = 90600;               // RINGLOOM_EMULATOR_CUDNN: the version that cuDNN says it is
  bool no_legacy_bf16 = false;          // RINGLOOM_EMULATOR_LEGACY=float32: cuDNN's algorithms do no bfloat16
  bool no_legacy = false;               // RINGLOOM_EMULATOR_LEGACY=none: nor float32
  std::string cache;                    // RINGLOOM_EMULATOR_CACHE: folder of compiled kernels; empty: a temporary one
};

const Settings& settings();

}  // namespace emulator
