// What stands before every kernel source that the emulated NVRTC compiles (after kernel_abi.h): CUDA C++ as far as kernels
// without headers use it, in terms of plain C++. It includes nothing, as NVRTC offers nothing.
//
// __global__ and __launch_bounds__ aren't defined: the emulator finds kernels by them and then removes them.

#define __CUDACC__ 1
#define __CUDACC_RTC__ 1
#define __device__
#define __host__
#define __constant__ __attribute__((section("ringloom_constant"))) static
#define __shared__ static
#define __forceinline__ inline __attribute__((always_inline))

typedef decltype(sizeof(0)) size_t;

typedef ringloom_abi::Index uint3;
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned vx = 1, unsigned vy = 1, unsigned vz = 1) : x(vx), y(vy), z(vz) {}
};

// Away from .bss, where the __shared__ variables are.
#define RINGLOOM_OWN __attribute__((section("ringloom_own")))
namespace ringloom_abi {
RINGLOOM_OWN static Runtime runtime = {nullptr, nullptr, nullptr};
RINGLOOM_OWN static Index thread_index = {0, 0, 0}, block_index = {0, 0, 0}, block_size = {1, 1, 1}, grid_size = {1, 1, 1};
extern "C" char ringloom_bss_begin __asm__("__bss_start") __attribute__((visibility("hidden")));
extern "C" char ringloom_bss_end __asm__("_end") __attribute__((visibility("hidden")));
}  // namespace ringloom_abi
#define threadIdx ringloom_abi::thread_index
#define blockIdx ringloom_abi::block_index
#define blockDim ringloom_abi::block_size
#define gridDim ringloom_abi::grid_size
constexpr int warpSize = 32;

// Vectors.
#define RINGLOOM_VECTORS(T, N, A)                                                            \
  struct N##2 { T x, y; } __attribute__((aligned(A * 2 > 16 ? 16 : A * 2)));                 \
  struct N##3 { T x, y, z; };                                                                \
  struct N##4 { T x, y, z, w; } __attribute__((aligned(A * 4 > 16 ? 16 : A * 4)));           \
  static inline N##2 make_##N##2(T x, T y) { return {x, y}; }                                \
  static inline N##3 make_##N##3(T x, T y, T z) { return {x, y, z}; }                        \
  static inline N##4 make_##N##4(T x, T y, T z, T w) { return {x, y, z, w}; }
RINGLOOM_VECTORS(float, float, 4)
RINGLOOM_VECTORS(double, double, 8)
RINGLOOM_VECTORS(int, int, 4)
RINGLOOM_VECTORS(short, short, 2)
RINGLOOM_VECTORS(signed char, char, 1)
RINGLOOM_VECTORS(unsigned char, uchar, 1)
RINGLOOM_VECTORS(unsigned short, ushort, 2)
RINGLOOM_VECTORS(long long, longlong, 8)
RINGLOOM_VECTORS(unsigned long long, ulonglong, 8)
struct uint2 { unsigned x, y; } __attribute__((aligned(8)));
struct uint4 { unsigned x, y, z, w; } __attribute__((aligned(16)));
static inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
static inline uint3 make_uint3(unsigned x, unsigned y, unsigned z) { return {x, y, z}; }
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

// Mathematics.
extern "C" {
float expf(float), exp2f(float), expm1f(float), logf(float), log2f(float), log1pf(float), log10f(float), sqrtf(float), tanhf(float), sinf(float), cosf(float), powf(float, float);
float fabsf(float), floorf(float), ceilf(float), rintf(float), roundf(float), truncf(float), fmaxf(float, float), fminf(float, float), fmaf(float, float, float), fmodf(float, float), copysignf(float, float), erff(float);
double exp(double), exp2(double), expm1(double), log(double), log2(double), log1p(double), log10(double), sqrt(double), tanh(double), sin(double), cos(double), pow(double, double);
double fabs(double), floor(double), ceil(double), rint(double), round(double), trunc(double), fmax(double, double), fmin(double, double), fma(double, double, double), fmod(double, double);
void* memcpy(void*, const void*, size_t);
void* memset(void*, int, size_t);
int printf(const char*, ...);
}
#define RINGLOOM_FLOAT1(F) static inline float F(float x) { return F##f(x); }
RINGLOOM_FLOAT1(exp) RINGLOOM_FLOAT1(log) RINGLOOM_FLOAT1(sqrt) RINGLOOM_FLOAT1(tanh) RINGLOOM_FLOAT1(fabs) RINGLOOM_FLOAT1(floor) RINGLOOM_FLOAT1(ceil) RINGLOOM_FLOAT1(log2) RINGLOOM_FLOAT1(exp2)
static inline float pow(float x, float y) { return powf(x, y); }
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline double rsqrt(double x) { return 1.0 / sqrt(x); }
#define RINGLOOM_EXTREMES(T)                                      \
  static inline T min(T a, T b) { return b < a ? b : a; }         \
  static inline T max(T a, T b) { return a < b ? b : a; }
RINGLOOM_EXTREMES(int) RINGLOOM_EXTREMES(unsigned) RINGLOOM_EXTREMES(long) RINGLOOM_EXTREMES(unsigned long) RINGLOOM_EXTREMES(long long) RINGLOOM_EXTREMES(unsigned long long)
static inline float min(float a, float b) { return fminf(a, b); }
static inline float max(float a, float b) { return fmaxf(a, b); }
static inline double min(double a, double b) { return fmin(a, b); }
static inline double max(double a, double b) { return fmax(a, b); }
static inline int abs(int x) { return x < 0 ? -x : x; }
static inline long long abs(long long x) { return x < 0 ? -x : x; }
static inline float abs(float x) { return fabsf(x); }
static inline double abs(double x) { return fabs(x); }
static inline bool isnan(float x) { return x != x; }
static inline bool isnan(double x) { return x != x; }
static inline bool isinf(float x) { return __builtin_isinf(x); }
static inline bool isinf(double x) { return __builtin_isinf(x); }
static inline bool isfinite(float x) { return __builtin_isfinite(x); }
static inline bool isfinite(double x) { return __builtin_isfinite(x); }

// Intrinsics.
template <typename To, typename From>
static inline To ringloom_bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "sizes differ");
  To to;
  __builtin_memcpy(&to, &from, sizeof to);
  return to;
}
static inline unsigned __float_as_uint(float x) { return ringloom_bits<unsigned>(x); }
static inline int __float_as_int(float x) { return ringloom_bits<int>(x); }
static inline float __uint_as_float(unsigned x) { return ringloom_bits<float>(x); }
static inline float __int_as_float(int x) { return ringloom_bits<float>(x); }
static inline long long __double_as_longlong(double x) { return ringloom_bits<long long>(x); }
static inline double __longlong_as_double(long long x) { return ringloom_bits<double>(x); }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((unsigned long long)a * b >> 32); }
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) { return (unsigned long long)((unsigned __int128)a * b >> 64); }
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz((unsigned)x); }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __float2int_rn(float x) { return (int)rintf(x); }
static inline int __float2int_rz(float x) { return (int)x; }
static inline int __float2int_rd(float x) { return (int)floorf(x); }
static inline unsigned __float2uint_rn(float x) { return (unsigned)rintf(x); }
static inline float __int2float_rn(int x) { return (float)x; }
static inline float __uint2float_rn(unsigned x) { return (float)x; }
static inline float __expf(float x) { return expf(x); }
static inline float __logf(float x) { return logf(x); }
static inline float __fdividef(float x, float y) { return x / y; }
static inline float __saturatef(float x) { return x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f; }
// Through volatile, so that nothing is contracted: these round each operation by itself.
static inline float __fadd_rn(float x, float y) { volatile float r = x + y; return r; }
static inline float __fsub_rn(float x, float y) { volatile float r = x - y; return r; }
static inline float __fmul_rn(float x, float y) { volatile float r = x * y; return r; }
static inline float __fdiv_rn(float x, float y) { return x / y; }
static inline float __frcp_rn(float x) { return 1.0f / x; }
static inline float __fsqrt_rn(float x) { return sqrtf(x); }
static inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
static inline double __dadd_rn(double x, double y) { volatile double r = x + y; return r; }
static inline double __dmul_rn(double x, double y) { volatile double r = x * y; return r; }
template <typename T>
static inline T __ldg(const T* p) { return *p; }

// Threads that wait for each other.
static inline void __syncthreads(int line = __builtin_LINE()) { ringloom_abi::runtime.barrier(line); }
static inline void __syncwarp(unsigned mask = 0xffffffffu, int line = __builtin_LINE()) { ringloom_abi::runtime.exchange(0, mask, 0, line); }
static inline void __threadfence() {}
static inline void __threadfence_block() {}

namespace ringloom_abi {
static inline unsigned lane() {
  return (thread_index.x + block_size.x * (thread_index.y + block_size.y * thread_index.z)) % 32;
}
// shuffle gives the value of the lane that source names; a source outside of the lane's segment gives the lane's own.
template <typename T, typename Source>
static inline T shuffle(unsigned mask, T value, int width, int kind, int line, Source source) {
  static_assert(sizeof(T) <= 8, "a shuffle moves at most 8 bytes");
  unsigned long long raw = 0;
  __builtin_memcpy(&raw, &value, sizeof value);
  const unsigned self = lane();
  const unsigned long long* values = runtime.exchange(raw, mask, kind, line);
  const int first = (int)(self / (unsigned)width * (unsigned)width);
  const int from = source((int)self - first);
  raw = from >= 0 && from < width ? values[first + from] : values[self];
  __builtin_memcpy(&value, &raw, sizeof value);
  return value;
}
}  // namespace ringloom_abi

template <typename T>
static inline T __shfl_sync(unsigned mask, T v, int src, int width = 32, int line = __builtin_LINE()) {
  return ringloom_abi::shuffle(mask, v, width, 1, line, [&](int) { return src & (width - 1); });
}
template <typename T>
static inline T __shfl_down_sync(unsigned mask, T v, unsigned delta, int width = 32, int line = __builtin_LINE()) {
  return ringloom_abi::shuffle(mask, v, width, 2, line, [&](int self) { return self + (int)delta; });
}
template <typename T>
static inline T __shfl_up_sync(unsigned mask, T v, unsigned delta, int width = 32, int line = __builtin_LINE()) {
  return ringloom_abi::shuffle(mask, v, width, 3, line, [&](int self) { return self - (int)delta; });
}
template <typename T>
static inline T __shfl_xor_sync(unsigned mask, T v, int bits, int width = 32, int line = __builtin_LINE()) {
  return ringloom_abi::shuffle(mask, v, width, 4, line, [&](int self) { return self ^ bits; });
}
static inline unsigned __ballot_sync(unsigned mask, int predicate, int line = __builtin_LINE()) {
  const unsigned long long* values = ringloom_abi::runtime.exchange(predicate != 0, mask, 5, line);
  unsigned bits = 0;
  for (int i = 0; i < 32; i++) bits |= (unsigned)values[i] << i;
  return bits;
}
static inline int __any_sync(unsigned mask, int predicate, int line = __builtin_LINE()) { return __ballot_sync(mask, predicate, line) != 0; }
static inline int __all_sync(unsigned mask, int predicate, int line = __builtin_LINE()) { return __ballot_sync(mask, predicate, line) == 0xffffffffu; }

// A kernel as the emulator sees it: its arguments' types come from its own.
namespace ringloom_abi {
extern "C" void* malloc(size_t);
extern "C" void free(void*);

template <typename... T> struct Arguments { };
template <typename T, typename... Rest> struct Arguments<T, Rest...> { T first; Arguments<Rest...> rest; };
static inline void fill(void**, Arguments<>*) {}
template <typename T, typename... Rest>
static inline void fill(void** from, Arguments<T, Rest...>* to) {
  __builtin_memcpy((void*)&to->first, *from, sizeof(T));
  fill(from + 1, &to->rest);
}
template <typename Function, typename... Done>
static inline void call(Function f, const Arguments<>*, Done... done) { f(done...); }
template <typename Function, typename T, typename... Rest, typename... Done>
static inline void call(Function f, const Arguments<T, Rest...>* a, Done... done) { call(f, &a->rest, done..., a->first); }

template <auto F> struct Wrapped;
template <typename... T, void (*F)(T...)> struct Wrapped<F> {
  static void* copy(void** arguments) {
    auto* a = (Arguments<T...>*)malloc(sizeof(Arguments<T...>));
    fill(arguments, a);
    return a;
  }
  static void run(void* a) { call(F, (const Arguments<T...>*)a); }
  static void drop(void* a) { free(a); }
  static constexpr Kernel describe(const char* name, int max_threads) { return {name, max_threads, &copy, &run, &drop, sizeof...(T)}; }
};
}  // namespace ringloom_abi

// The checks of -fsanitize=alignment,bounds end here, with the kernel's name, instead of in a sanitizer's library.
namespace ringloom_abi {
struct Place { const char* file; unsigned line, column; };
}
extern "C" {
__attribute__((visibility("hidden"), used)) inline void __ubsan_handle_type_mismatch_v1_abort(void* p, void*) {
  const auto* at = (const ringloom_abi::Place*)p;
  ringloom_abi::runtime.fail(at->file, (int)at->line, "access through a null or misaligned pointer");
}
__attribute__((visibility("hidden"), used)) inline void __ubsan_handle_out_of_bounds_abort(void* p, void*) {
  const auto* at = (const ringloom_abi::Place*)p;
  ringloom_abi::runtime.fail(at->file, (int)at->line, "index outside of an array");
}
__attribute__((visibility("hidden"), used)) inline void __ubsan_handle_alignment_assumption_abort(void* p, void*, void*, void*) {
  const auto* at = (const ringloom_abi::Place*)p;
  ringloom_abi::runtime.fail(at->file, (int)at->line, "pointer isn't aligned as assumed");
}
}
