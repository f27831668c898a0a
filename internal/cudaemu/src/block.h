// The execution of a kernel: block after block, each block's threads as fibers that switch at barriers and shuffles.
#pragma once

#include <cstdint>

#include "kernel_abi.h"

namespace emulator {

struct Launch {
  const ringloom_abi::File* file;
  const ringloom_abi::Kernel* kernel;
  void* arguments;  // as Kernel::copy made them
  ringloom_abi::Index grid;
  ringloom_abi::Index block;
};

// execute runs all blocks. It aborts when a block's threads don't meet at the same barrier, or a warp's at the same shuffle.
void execute(const Launch& launch);

// The functions that a kernel file calls.
extern const ringloom_abi::Runtime kRuntime;

}  // namespace emulator
