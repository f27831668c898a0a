// The run of g++ behind the emulated NVRTC, with its cache.
#pragma once

#include <string>
#include <vector>

namespace emulator {

// compile_kernels makes a shared object from a kernel source, or takes it from the cache. The text of g++'s errors goes to log.
bool compile_kernels(const std::string& source, const std::string& name, const std::vector<std::string>& flags, std::string* object,
                     std::string* log);

}  // namespace emulator
