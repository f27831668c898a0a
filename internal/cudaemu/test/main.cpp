// The tests' program: "names" lists the tests, a name runs that one. A Go test runs each in a process of its own.
#include <cstring>

#include "api.h"

namespace {

struct Entry {
  const char* name;
  void (*run)();
};

std::vector<Entry>& entries() {
  static std::vector<Entry> all;
  return all;
}

}  // namespace

Test::Test(const char* name, void (*run)()) { entries().push_back({name, run}); }

void open() {
  Handle context = nullptr;
  expect(cuInit(0), kOk);
  expect(cuDevicePrimaryCtxRetain(&context, 0), kOk);
  expect(cuCtxSetCurrent(context), kOk);
}

Handle stream() {
  Handle s = nullptr;
  expect(cuStreamCreate(&s, 1), kOk);
  return s;
}

Handle event() {
  Handle e = nullptr;
  expect(cuEventCreate(&e, 1), kOk);
  return e;
}

Pointer device(size_t bytes) {
  Pointer p = 0;
  expect(cuMemAlloc_v2(&p, bytes), kOk);
  return p;
}

std::string compile(const std::string& source) {
  Handle program = nullptr;
  expect(nvrtcCreateProgram(&program, source.c_str(), "test.cu", 0, nullptr, nullptr), kOk);
  const char* options[] = {"--gpu-architecture=compute_90", "-std=c++17"};
  const int result = nvrtcCompileProgram(program, 2, options);
  size_t bytes = 0;
  if (result != kOk) {
    expect(nvrtcGetProgramLogSize(program, &bytes), kOk);
    std::string log(bytes, 0);
    expect(nvrtcGetProgramLog(program, log.data()), kOk);
    std::fprintf(stderr, "%s\n", log.c_str());
    std::exit(1);
  }
  expect(nvrtcGetPTXSize(program, &bytes), kOk);
  std::string ptx(bytes, 0);
  expect(nvrtcGetPTX(program, ptx.data()), kOk);
  expect(nvrtcDestroyProgram(&program), kOk);
  return ptx;
}

Handle kernel(const std::string& source, const char* name) {
  Handle module = nullptr;
  Handle function = nullptr;
  expect(cuModuleLoadDataEx(&module, compile(source).c_str(), 0, nullptr, nullptr), kOk);
  expect(cuModuleGetFunction(&function, module, name), kOk);
  return function;
}

int main(int argc, char** argv) {
  const char* wanted = argc == 2 ? argv[1] : "";
  for (const Entry& e : entries()) {
    if (std::strcmp(wanted, "names") == 0) std::puts(e.name);
    if (std::strcmp(wanted, e.name) == 0) {
      e.run();
      return 0;
    }
  }
  return std::strcmp(wanted, "names") == 0 ? 0 : 2;
}
