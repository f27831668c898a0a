// Modules: compiled kernel files, found through the text that the emulated NVRTC gives for PTX.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kernel_abi.h"

namespace emulator {

struct Context;
struct Module;

struct Function {
  Module* module;
  const ringloom_abi::Kernel* kernel;
};

struct Module {
  Context* context = nullptr;
  std::shared_ptr<void> object;  // the loaded shared object; queued launches hold it as well
  const ringloom_abi::File* file = nullptr;
  std::vector<std::unique_ptr<Function>> functions;  // those that were asked for
};

// ptx_of writes the text that stands for a compiled file; object_of reads it, or says what's wrong with it.
std::string ptx_of(const std::string& object_path);
bool object_of(const char* image, std::string* object_path, std::string* error);

}  // namespace emulator
