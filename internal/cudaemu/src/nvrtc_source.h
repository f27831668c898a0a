// From a kernel source to C++ that g++ compiles: finds the kernels in the preprocessed text.
#pragma once

#include <string>
#include <vector>

namespace emulator {

// The texts that stand before every source: kernel_abi.h and prelude.h.
std::string kernel_prelude();

struct KernelName {
  std::string name;
  std::string max_threads;  // the expression in __launch_bounds__, or empty
};

// find_kernels lists the extern "C" kernels of a preprocessed text and blanks out __global__ and __launch_bounds__, keeping
// lines where they are.
std::vector<KernelName> find_kernels(std::string* text);

// kernel_table is the C++ text, for the end of the file, that exports the kernels.
std::string kernel_table(const std::vector<KernelName>& kernels);

}  // namespace emulator
