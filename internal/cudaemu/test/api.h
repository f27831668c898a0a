// The emulated libraries as the tests call them: declarations of their C functions, and a few helpers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

using Handle = void*;
using Pointer = unsigned long long;

extern "C" {
int cuInit(unsigned);
int cuDeviceGetCount(int*);
int cuDeviceGetUuid(unsigned char*, int);
int cuDeviceGetUuid_v2(unsigned char*, int);
int cuDevicePrimaryCtxRetain(Handle*, int);
int cuDevicePrimaryCtxRelease_v2(int);
int cuCtxSetCurrent(Handle);
int cuCtxSynchronize();
int cuMemAlloc_v2(Pointer*, size_t);
int cuMemFree_v2(Pointer);
int cuMemGetInfo_v2(size_t*, size_t*);
int cuMemHostAlloc(void**, size_t, unsigned);
int cuMemFreeHost(void*);
int cuMemcpyHtoDAsync_v2(Pointer, const void*, size_t, Handle);
int cuMemcpyDtoHAsync_v2(void*, Pointer, size_t, Handle);
int cuMemcpyDtoDAsync_v2(Pointer, Pointer, size_t, Handle);
int cuMemsetD8Async(Pointer, unsigned char, size_t, Handle);
int cuStreamCreate(Handle*, unsigned);
int cuStreamDestroy_v2(Handle);
int cuStreamSynchronize(Handle);
int cuStreamQuery(Handle);
int cuStreamWaitEvent(Handle, Handle, unsigned);
int cuEventCreate(Handle*, unsigned);
int cuEventDestroy_v2(Handle);
int cuEventRecord(Handle, Handle);
int cuEventSynchronize(Handle);
int cuEventQuery(Handle);
int cuEventElapsedTime(float*, Handle, Handle);
int cuStreamBeginCapture_v2(Handle, int);
int cuStreamEndCapture(Handle, Handle*);
int cuGraphGetNodes(Handle, Handle*, size_t*);
int cuGraphInstantiateWithFlags(Handle*, Handle, unsigned long long);
int cuGraphLaunch(Handle, Handle);
int cuGraphDestroy(Handle);
int cuGraphExecDestroy(Handle);
int cuModuleLoadDataEx(Handle*, const void*, unsigned, int*, void**);
int cuModuleUnload(Handle);
int cuModuleGetFunction(Handle*, Handle, const char*);
int cuLaunchKernel(Handle, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, Handle, void**, void**);
int nvrtcCreateProgram(Handle*, const char*, const char*, int, const char* const*, const char* const*);
int nvrtcCompileProgram(Handle, int, const char* const*);
int nvrtcGetPTXSize(Handle, size_t*);
int nvrtcGetPTX(Handle, char*);
int nvrtcGetProgramLogSize(Handle, size_t*);
int nvrtcGetProgramLog(Handle, char*);
int nvrtcDestroyProgram(Handle*);
}

// Results that the tests expect by name.
enum : int {
  kOk = 0, kInvalidValue = 1, kOutOfMemory = 2, kNotInitialized = 3, kInvalidContext = 201, kInvalidPtx = 218, kInvalidHandle = 400,
  kNotFound = 500, kNotReady = 600, kLaunchOutOfResources = 701, kDestroyed = 709, kCaptureUnsupported = 900, kCaptureInvalidated = 901,
  kCaptureUnjoined = 904, kCaptureIsolation = 905, kCapturedEvent = 907,
};

// expect ends the program with a message unless the two are equal.
#define expect(got, wanted) expect_at((long long)(got), (long long)(wanted), #got, __FILE__, __LINE__)
inline void expect_at(long long got, long long wanted, const char* what, const char* file, int line) {
  if (got == wanted) return;
  std::fprintf(stderr, "%s:%d: %s is %lld, not %lld\n", file, line, what, got, wanted);
  std::exit(1);
}
#define check(condition) expect((condition) ? 1 : 0, 1)

// near ends the program unless the two differ by at most tolerance.
#define near(got, wanted, tolerance) near_at(got, wanted, tolerance, #got, __FILE__, __LINE__)
inline void near_at(double got, double wanted, double tolerance, const char* what, const char* file, int line) {
  if (got - wanted <= tolerance && wanted - got <= tolerance) return;  // false for NaN
  std::fprintf(stderr, "%s:%d: %s is %g, not %g\n", file, line, what, got, wanted);
  std::exit(1);
}

// Test registers a function under a name; main runs the one that it is given.
struct Test {
  Test(const char* name, void (*run)());
};
#define TEST(name)                          \
  static void name();                       \
  static const Test test_##name(#name, name); \
  static void name()

// late says whether nothing runs before it is waited for (seed 0).
inline bool late() { return std::getenv("RINGLOOM_EMULATOR_SEED")[0] == '0'; }

// open makes device 0's context current.
void open();
Handle stream();
Handle event();
Pointer device(size_t bytes);
// to_device and to_host copy and wait.
template <typename T>
Pointer to_device(const std::vector<T>& v) {
  const Pointer p = device(v.size() * sizeof(T));
  expect(cuMemcpyHtoDAsync_v2(p, v.data(), v.size() * sizeof(T), nullptr), kOk);
  expect(cuStreamSynchronize(nullptr), kOk);
  return p;
}
template <typename T>
std::vector<T> to_host(Pointer p, size_t n) {
  std::vector<T> v(n);
  expect(cuMemcpyDtoHAsync_v2(v.data(), p, n * sizeof(T), nullptr), kOk);
  expect(cuStreamSynchronize(nullptr), kOk);
  return v;
}

// compile gives the PTX of a source, or ends the program with the log.
std::string compile(const std::string& source);
// kernel compiles a source and gives one of its kernels.
Handle kernel(const std::string& source, const char* name);
// launch queues a kernel; arguments by value.
template <typename... T>
int launch(Handle f, unsigned grid, unsigned block, Handle on, T... arguments) {
  void* pointers[] = {&arguments..., nullptr};
  return cuLaunchKernel(f, grid, 1, 1, block, 1, 1, 0, on, pointers, nullptr);
}
