// NVRTC: compiles a kernel source with g++ into a shared object, and gives a text that names it for PTX.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "abi.h"
#include "compiler.h"
#include "module.h"

using namespace emulator;

namespace {

enum Status : int {
  kRtcSuccess = 0,
  kRtcOutOfMemory = 1,
  kRtcProgramCreation = 2,
  kRtcInvalidInput = 3,
  kRtcInvalidProgram = 4,
  kRtcInvalidOption = 5,
  kRtcCompilation = 6,
};

struct Program {
  std::string source;
  std::string name;
  std::string log;
  std::string ptx;
  std::string cubin;  // empty for a virtual architecture
};

constexpr int kArchs[] = {75, 80, 86, 87, 88, 89, 90, 100, 103, 110, 120, 121};  // NVRTC 13.0's

bool starts(const std::string& text, const char* with) { return text.compare(0, std::strlen(with), with) == 0; }

// translate turns NVRTC's options into g++'s. An option that NVRTC doesn't know, or that isn't emulated, is an error. real is
// whether the architecture is.
bool translate(const std::vector<std::string>& options, std::vector<std::string>* flags, bool* real, std::string* log) {
  std::string contract = "fast";  // NVRTC contracts a*b+c unless told otherwise
  std::string standard = "c++17";
  std::string arch = "750";
  for (size_t i = 0; i < options.size(); i++) {
    std::string o = options[i];
    if (starts(o, "--")) o.erase(0, 1);
    const auto value = o.find('=') == std::string::npos ? "" : o.substr(o.find('=') + 1);
    if (starts(o, "-std=")) {
      if (value != "c++11" && value != "c++14" && value != "c++17" && value != "c++20") {
        *log = "nvrtc: error: invalid value for --std (-std)\n";
        return false;
      }
      if (value == "c++20") standard = value;
    } else if (starts(o, "-arch=") || starts(o, "-gpu-architecture=")) {
      const auto digits = value.find_first_of("0123456789");
      const int number = digits == std::string::npos ? 0 : std::atoi(value.c_str() + digits);
      *real = starts(value, "sm_");
      if ((!starts(value, "compute_") && !*real) || std::find(std::begin(kArchs), std::end(kArchs), number) == std::end(kArchs)) {
        *log = "nvrtc: error: invalid value for --gpu-architecture (-arch)\n";
        return false;
      }
      arch = std::to_string(number * 10);
    } else if (starts(o, "-fmad=")) {
      contract = value == "false" ? "off" : "fast";
    } else if (starts(o, "-D") || starts(o, "-U")) {
      if (o.size() == 2 && i + 1 < options.size()) o += options[++i];
      flags->push_back(o);
    } else if (o == "-default-device" || o == "-lineinfo" || o == "-generate-line-info" || o == "-use_fast_math" ||
               o == "-device-as-default-execution-space" || o == "-extra-device-vectorization" || o == "-restrict" || o == "-w" ||
               starts(o, "-maxrregcount=") || starts(o, "-diag-suppress=") || starts(o, "-ftz=") || starts(o, "-prec-sqrt=") ||
               starts(o, "-prec-div=")) {
      // nothing here depends on it
    } else {
      *log = "nvrtc: error: unrecognized option " + options[i] + " found\n";
      return false;
    }
  }
  flags->push_back("-std=gnu++" + standard.substr(3));
  flags->push_back("-ffp-contract=" + contract);
  flags->push_back("-D__CUDA_ARCH__=" + arch);
  return true;
}

}  // namespace

EXPORT int nvrtcVersion(int* major, int* minor) {
  if (major == nullptr || minor == nullptr) return kRtcInvalidInput;
  *major = 13;
  *minor = 0;
  return kRtcSuccess;
}

EXPORT const char* nvrtcGetErrorString(int status) {
  switch (status) {
    case kRtcSuccess: return "NVRTC_SUCCESS";
    case kRtcOutOfMemory: return "NVRTC_ERROR_OUT_OF_MEMORY";
    case kRtcProgramCreation: return "NVRTC_ERROR_PROGRAM_CREATION_FAILURE";
    case kRtcInvalidInput: return "NVRTC_ERROR_INVALID_INPUT";
    case kRtcInvalidProgram: return "NVRTC_ERROR_INVALID_PROGRAM";
    case kRtcInvalidOption: return "NVRTC_ERROR_INVALID_OPTION";
    case kRtcCompilation: return "NVRTC_ERROR_COMPILATION";
    default: return "NVRTC_ERROR unknown";
  }
}

// Headers by name are not emulated.
EXPORT int nvrtcCreateProgram(Program** program, const char* source, const char* name, int headers, const char* const*, const char* const*) {
  if (program == nullptr || source == nullptr || headers != 0) return kRtcInvalidInput;
  *program = new Program{source, name != nullptr ? name : "default_program", "", "", ""};
  return kRtcSuccess;
}

EXPORT int nvrtcDestroyProgram(Program** program) {
  if (program == nullptr || *program == nullptr) return kRtcInvalidProgram;
  delete *program;
  *program = nullptr;
  return kRtcSuccess;
}

EXPORT int nvrtcCompileProgram(Program* program, int count, const char* const* options) {
  if (program == nullptr) return kRtcInvalidProgram;
  program->ptx.clear();
  program->cubin.clear();
  program->log.clear();
  std::vector<std::string> flags;
  bool real = false;
  if (!translate(std::vector<std::string>(options, options + count), &flags, &real, &program->log)) return kRtcInvalidOption;
  std::string object;
  if (!compile_kernels(program->source, program->name, flags, &object, &program->log)) return kRtcCompilation;
  program->ptx = ptx_of(object);
  if (real) program->cubin = program->ptx;
  return kRtcSuccess;
}

EXPORT int nvrtcGetNumSupportedArchs(int* count) {
  if (count == nullptr) return kRtcInvalidInput;
  *count = static_cast<int>(std::size(kArchs));
  return kRtcSuccess;
}

EXPORT int nvrtcGetSupportedArchs(int* archs) {
  if (archs == nullptr) return kRtcInvalidInput;
  std::copy(std::begin(kArchs), std::end(kArchs), archs);
  return kRtcSuccess;
}

EXPORT int nvrtcGetCUBINSize(Program* program, size_t* bytes) {
  if (program == nullptr) return kRtcInvalidProgram;
  if (program->ptx.empty()) return kRtcInvalidInput;
  *bytes = program->cubin.empty() ? 0 : program->cubin.size() + 1;
  return kRtcSuccess;
}

EXPORT int nvrtcGetCUBIN(Program* program, char* cubin) {
  if (program == nullptr) return kRtcInvalidProgram;
  if (program->cubin.empty()) return kRtcInvalidInput;
  std::memcpy(cubin, program->cubin.c_str(), program->cubin.size() + 1);
  return kRtcSuccess;
}

EXPORT int nvrtcGetPTXSize(Program* program, size_t* bytes) {
  if (program == nullptr) return kRtcInvalidProgram;
  if (program->ptx.empty()) return kRtcInvalidInput;
  *bytes = program->ptx.size() + 1;
  return kRtcSuccess;
}

EXPORT int nvrtcGetPTX(Program* program, char* ptx) {
  if (program == nullptr) return kRtcInvalidProgram;
  if (program->ptx.empty()) return kRtcInvalidInput;
  std::memcpy(ptx, program->ptx.c_str(), program->ptx.size() + 1);
  return kRtcSuccess;
}

EXPORT int nvrtcGetProgramLogSize(Program* program, size_t* bytes) {
  if (program == nullptr) return kRtcInvalidProgram;
  *bytes = program->log.size() + 1;
  return kRtcSuccess;
}

EXPORT int nvrtcGetProgramLog(Program* program, char* log) {
  if (program == nullptr) return kRtcInvalidProgram;
  std::memcpy(log, program->log.c_str(), program->log.size() + 1);
  return kRtcSuccess;
}
