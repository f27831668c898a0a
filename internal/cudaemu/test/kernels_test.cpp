// Kernels: arguments, shared memory, barriers, shuffles, and the faults that must end the program. Tests named dies_... end
// by an abort whose message the Go test knows.
#include <cstring>

#include "api.h"

namespace {

const char kSum[] = R"(
template <typename T> __device__ __forceinline__ T warp_sum(T v) {
  for (int d = 16; d > 0; d /= 2) v += __shfl_down_sync(0xffffffffu, v, d);
  return v;
}
#define KERNEL(NAME, T) \
extern "C" __global__ void __launch_bounds__(256) NAME(T* __restrict__ out, const T* __restrict__ in, long long n) { \
  __shared__ T parts[32]; \
  T v = 0; \
  for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < n; i += (long long)gridDim.x * blockDim.x) v += in[i]; \
  v = warp_sum(v); \
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = v; \
  __syncthreads(); \
  if (threadIdx.x < 32) { \
    v = warp_sum(threadIdx.x < blockDim.x / 32 ? parts[threadIdx.x] : T(0)); \
    if (threadIdx.x == 0) out[blockIdx.x] = v; \
  } \
}
KERNEL(sum_f32, float)
KERNEL(sum_f64, double)
)";

template <typename T>
void sum_of(const char* name) {
  open();
  const std::vector<T> in(1000, T(0.5));
  const Pointer x = to_device(in);
  const Pointer out = device(3 * sizeof(T));
  expect(launch(kernel(kSum, name), 3, 256, nullptr, out, x, (long long)in.size()), kOk);
  const auto sums = to_host<T>(out, 3);
  near(sums[0] + sums[1] + sums[2], 500, 0);
  near(sums[0], 244, 0);
}

}  // namespace

TEST(sums_floats) { sum_of<float>("sum_f32"); }
TEST(sums_doubles) { sum_of<double>("sum_f64"); }

TEST(respects_launch_bounds) {
  open();
  const Handle f = kernel(kSum, "sum_f32");
  expect(launch(f, 1, 512, nullptr, Pointer(0), Pointer(0), 0LL), kLaunchOutOfResources);
  expect(launch(f, 0, 256, nullptr, Pointer(0), Pointer(0), 0LL), kInvalidValue);
}

TEST(passes_every_kind_of_argument) {
  open();
  const Handle f = kernel(R"(
struct pool { int n, h, w; };
extern "C" {
__global__ void store(double* out, pool g, unsigned char c, float x, long long n, const float4* v, int last) {
  if (threadIdx.x != 0) return;
  float4 q = v[1];
  out[0] = g.n * 100 + g.h * 10 + g.w; out[1] = c; out[2] = x; out[3] = n; out[4] = q.x + q.w; out[5] = last;
  out[6] = (double)max(3, 7) + min(1.5f, 2.5f) + fmaf(2, 3, 4) + __float_as_uint(1.0f) + (double)sqrt(4.0f);
}
})", "store");
  struct { int n, h, w; } g{1, 2, 3};
  const Pointer out = device(7 * 8);
  const Pointer v = to_device(std::vector<float>{0, 0, 0, 0, 5, 6, 7, 8});
  expect(launch(f, 1, 32, nullptr, out, g, (unsigned char)200, 1.5f, 1LL << 40, v, -9), kOk);
  const auto got = to_host<double>(out, 7);
  const double wanted[] = {123, 200, 1.5, double(1LL << 40), 13, -9, 7 + 1.5 + 10 + 0x3f800000 + 2};
  for (int i = 0; i < 7; i++) near(got[i], wanted[i], 0);
}

TEST(shuffles_by_xor_and_counts_in_three_dimensions) {
  open();
  const Handle f = kernel(R"(
extern "C" __global__ void k(int* out) {
  int t = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  int b = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  int v = t;
  for (int bits = 1; bits < 32; bits *= 2) v = max(v, __shfl_xor_sync(0xffffffffu, v, bits));
  out[b * 64 + t] = v + 1000 * b;
})", "k");
  Pointer out = device(12 * 64 * 4);
  void* arguments[] = {&out};
  expect(cuLaunchKernel(f, 2, 3, 2, 8, 4, 2, 0, nullptr, arguments, nullptr), kOk);
  const auto got = to_host<int>(out, 12 * 64);
  for (int i = 0; i < 12 * 64; i++) expect(got[i], i / 64 * 1000 + (i % 64 / 32 * 32 + 31));
}

TEST(poisons_shared_memory_in_each_block) {
  open();
  const Handle f = kernel(R"(
extern "C" __global__ void k(float* out) {
  __shared__ float s[64];
  out[blockIdx.x * 64 + threadIdx.x] = s[threadIdx.x];
  __syncthreads();
  s[threadIdx.x] = 1;
})", "k");
  const Pointer out = device(2 * 64 * 4);
  expect(launch(f, 2, 64, nullptr, out), kOk);
  for (const float v : to_host<float>(out, 128)) check(v != v);
}

TEST(shows_a_forgotten_barrier) {
  open();
  const Handle f = kernel(R"(
extern "C" __global__ void k(float* out) {
  __shared__ float s[64];
  s[threadIdx.x] = 1;
  out[blockIdx.x * 64 + threadIdx.x] = s[63 - threadIdx.x] + s[(threadIdx.x + 1) % 64];
  __syncthreads();
})", "k");
  const Pointer out = device(64 * 4);
  expect(launch(f, 1, 64, nullptr, out), kOk);
  int wrong = 0;
  for (const float v : to_host<float>(out, 64)) wrong += v != 2;
  check(wrong > 0);
}

TEST(reports_errors_of_the_compiler) {
  Handle program = nullptr;
  expect(nvrtcCreateProgram(&program, "\nextern \"C\" __global__ void k(int* p) { *p = nothing; }", "bad.cu", 0, nullptr, nullptr), kOk);
  expect(nvrtcCompileProgram(program, 0, nullptr), 6);
  size_t bytes = 0;
  expect(nvrtcGetProgramLogSize(program, &bytes), kOk);
  std::string log(bytes, 0);
  expect(nvrtcGetProgramLog(program, log.data()), kOk);
  check(log.find("bad.cu:2") != std::string::npos && log.find("nothing") != std::string::npos);
  const char* unknown[] = {"--no-such-option"};
  expect(nvrtcCompileProgram(program, 1, unknown), 5);
  expect(nvrtcDestroyProgram(&program), kOk);
  expect(nvrtcCreateProgram(&program, "#include <cmath>\n", "include.cu", 0, nullptr, nullptr), kOk);
  expect(nvrtcCompileProgram(program, 0, nullptr), 6);
}

TEST(refuses_other_images) {
  open();
  Handle module = nullptr;
  char log[200] = "";
  int options[] = {5, 6};
  void* values[] = {log, reinterpret_cast<void*>(sizeof log)};
  expect(cuModuleLoadDataEx(&module, ".version 8.0\n", 2, options, values), kInvalidPtx);
  check(std::strstr(log, "emulated NVRTC") != nullptr);
  std::string ptx = compile("extern \"C\" __global__ void k() {}");
  expect(cuModuleLoadDataEx(&module, ptx.c_str(), 0, nullptr, nullptr), kOk);
  Handle function = nullptr;
  expect(cuModuleGetFunction(&function, module, "absent"), kNotFound);
  ptx[ptx.size() - 1] = 'x';  // the text's own NUL
  expect(cuModuleLoadDataEx(&module, ptx.c_str(), 0, nullptr, nullptr), kInvalidPtx);
}

TEST(dies_returned_before_barrier) {
  open();
  const Handle f = kernel("extern \"C\" __global__ void k() { if (threadIdx.x < 3) return;\n __syncthreads(); }", "k");
  launch(f, 1, 64, nullptr);
  cuCtxSynchronize();
}

TEST(dies_two_barriers) {
  open();
  const Handle f = kernel("extern \"C\" __global__ void k() { if (threadIdx.x < 32)\n __syncthreads();\n else\n __syncthreads(); }", "k");
  launch(f, 1, 64, nullptr);
  cuCtxSynchronize();
}

TEST(dies_divergent_shuffle) {
  open();
  const Handle f = kernel("extern \"C\" __global__ void k(int* p) { if (threadIdx.x % 32 < 7) *p = __shfl_down_sync(0xffffffffu, 1, 1); }", "k");
  launch(f, 1, 64, nullptr, device(4));
  cuCtxSynchronize();
}

TEST(dies_misaligned) {
  open();
  const Handle f = kernel("extern \"C\" __global__ void k(float* p) {\n *reinterpret_cast<float4*>(p + 1) = make_float4(1, 2, 3, 4); }", "k");
  launch(f, 1, 32, nullptr, device(64));
  cuCtxSynchronize();
}

TEST(dies_outside_shared_array) {
  open();
  const Handle f = kernel("extern \"C\" __global__ void k(int n) { __shared__ float s[32];\n s[threadIdx.x + n] = 1; __syncthreads(); }", "k");
  launch(f, 1, 32, nullptr, 5);
  cuCtxSynchronize();
}

TEST(dies_write_past_the_end) {
  open();
  const Handle f = kernel("extern \"C\" __global__ void overrun(float* p) { p[threadIdx.x] = 1; }", "overrun");
  launch(f, 1, 32, nullptr, device(31 * 4));
  cuCtxSynchronize();
}
