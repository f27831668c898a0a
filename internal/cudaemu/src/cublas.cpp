// cuBLAS: cublasGemmEx on float32 and bfloat16 and what it takes to call it.
#include <algorithm>
#include <unordered_map>
#include <vector>

#include "gemm.h"
#include "library.h"

using namespace emulator;

namespace {

enum Status : int {
  kBlasSuccess = 0,
  kBlasNotInitialized = 1,
  kBlasAllocFailed = 3,
  kBlasInvalidValue = 7,
  kBlasExecutionFailed = 13,
  kBlasNotSupported = 15,
};

constexpr int kTypeF32 = 0, kTypeBf16 = 14;                                        // cudaDataType
constexpr int kCompute32 = 68, kCompute32Pedantic = 69, kCompute32Tf32 = 77;       // cublasComputeType_t
constexpr int kMathDefault = 0, kMathPedantic = 2, kMathTf32 = 3, kMathFlags = 16;  // cublasMath_t; 16: no reduced-precision reductions
constexpr size_t kWorkspaceAlignment = 256;

struct Blas : LibraryHandle {
  int math = kMathDefault;
  void* workspace = nullptr;
  size_t workspace_bytes = 0;
};

std::unordered_map<Blas*, std::unique_ptr<Blas>>& handles() {
  static auto& all = *new std::unordered_map<Blas*, std::unique_ptr<Blas>>;
  return all;
}

bool is_type(int t) { return t == kTypeF32 || t == kTypeBf16; }
Type type_of(int t) { return t == kTypeF32 ? Type::kF32 : Type::kBf16; }

// supported is the part of cublasGemmEx's table of types that is emulated.
bool supported(int a, int b, int c, int compute) {
  if (!is_type(a) || a != b || !is_type(c)) return false;
  switch (compute) {
    case kCompute32: case kCompute32Pedantic: return a == kTypeBf16 || c == kTypeF32;
    case kCompute32Tf32: return a == kTypeF32 && c == kTypeF32;
    default: return false;
  }
}

// extent is how many elements from its first to its last a column-major matrix takes.
size_t extent(size_t rows, size_t columns, size_t stride) { return rows == 0 || columns == 0 ? 0 : (columns - 1) * stride + rows; }

// write stores alpha * product + beta * c; the product is n x m row-major: c's columns are its rows.
template <typename T>
void write(T* c, size_t ldc, const float* product, size_t m, size_t n, float alpha, float beta) {
  for (size_t j = 0; j < n; j++) {
    for (size_t i = 0; i < m; i++) {
      float v = alpha * product[j * m + i];
      if (beta != 0) v += beta * widen(c[j * ldc + i]);
      narrow(v, c + j * ldc + i);
    }
  }
}

// scratch gives a buffer that lives on: fresh pages for each large product would take longer than the product.
float* scratch(size_t n) {
  static size_t room = 0;
  static std::unique_ptr<float[]> buffer;
  if (room < n) {
    buffer.reset();
    buffer.reset(new float[n]);
    room = n;
  }
  return buffer.get();
}

// Product is one call's work; left and right are the operands of c transposed, which is row-major, n x m.
struct Product {
  void* c;
  Type type;
  size_t ldc, m, n, k;
  Operand left, right;
  float alpha, beta;
  bool round_tf32;

  void run() const {
    if (type == Type::kF32 && alpha == 1 && (beta == 0 || beta == 1)) {
      multiply(static_cast<float*>(c), ldc, n, m, k, left, right, beta == 1, round_tf32);
      return;
    }
    float* product = scratch(m * n);
    multiply(product, m, n, m, k, left, right, false, round_tf32);
    if (type == Type::kF32) {
      write(static_cast<float*>(c), ldc, product, m, n, alpha, beta);
    } else {
      write(static_cast<Bf16*>(c), ldc, product, m, n, alpha, beta);
    }
  }
};

}  // namespace

EXPORT int cublasCreate_v2(Blas** handle) {
  Entry entry(Entry::kNoCapture);  // it allocates
  if (handle == nullptr) return kBlasInvalidValue;
  if (entry.failed()) return kBlasNotInitialized;
  auto b = std::make_unique<Blas>();
  b->context = entry.context;
  *handle = b.get();
  handles()[*handle] = std::move(b);
  return kBlasSuccess;
}

EXPORT int cublasDestroy_v2(Blas* handle) {
  Entry entry(Entry::kNothing);
  return handles().erase(handle) != 0 ? kBlasSuccess : kBlasNotInitialized;
}

EXPORT int cublasSetStream_v2(Blas* handle, Stream* stream) {
  Entry entry(Entry::kNothing);
  if (handles().count(handle) == 0) return kBlasNotInitialized;
  handle->stream = stream;
  handle->workspace = nullptr;  // as its manual says: back to the library's own
  handle->workspace_bytes = 0;
  return kBlasSuccess;
}

EXPORT int cublasSetWorkspace_v2(Blas* handle, void* workspace, size_t bytes) {
  Entry entry(Entry::kNothing);
  if (handles().count(handle) == 0) return kBlasNotInitialized;
  if (reinterpret_cast<uintptr_t>(workspace) % kWorkspaceAlignment != 0) return kBlasInvalidValue;
  handle->workspace = workspace;
  handle->workspace_bytes = bytes;
  return kBlasSuccess;
}

EXPORT int cublasSetMathMode(Blas* handle, int math) {
  Entry entry(Entry::kNothing);
  if (handles().count(handle) == 0) return kBlasNotInitialized;
  const int mode = math & ~kMathFlags;
  if (mode != kMathDefault && mode != 1 && mode != kMathPedantic && mode != kMathTf32) return kBlasInvalidValue;
  handle->math = mode;
  return kBlasSuccess;
}

EXPORT int cublasGetVersion_v2(Blas*, int* version) {
  if (version == nullptr) return kBlasInvalidValue;
  *version = 130000;
  return kBlasSuccess;
}

// cublasGetProperty: 0 is the major version, 1 the minor one, 2 the patch level.
EXPORT int cublasGetProperty(int which, int* value) {
  if (value == nullptr || which < 0 || which > 2) return kBlasInvalidValue;
  *value = which == 0 ? 13 : 0;
  return kBlasSuccess;
}

EXPORT const char* cublasGetStatusString(int status) {
  switch (status) {
    case kBlasSuccess: return "success";
    case kBlasNotInitialized: return "the library was not initialized";
    case kBlasAllocFailed: return "the resource allocation failed";
    case kBlasInvalidValue: return "an unsupported value or parameter was passed to the function";
    case kBlasExecutionFailed: return "the function failed to launch on the GPU";
    case kBlasNotSupported: return "the functionality is not supported";
    default: return "<unknown>";
  }
}

EXPORT int cublasGemmEx(Blas* handle, int op_a, int op_b, int m, int n, int k, const void* alpha, const void* a, int type_a, int lda,
                        const void* b, int type_b, int ldb, const void* beta, void* c, int type_c, int ldc, int compute, int algorithm) {
  Entry entry;
  if (handles().count(handle) == 0) return kBlasNotInitialized;
  if (!handle->usable(entry)) return kBlasExecutionFailed;
  if (op_a < 0 || op_a > 1 || op_b < 0 || op_b > 1 || m < 0 || n < 0 || k < 0 || alpha == nullptr || beta == nullptr) return kBlasInvalidValue;
  if (lda < std::max(1, op_a == 0 ? m : k) || ldb < std::max(1, op_b == 0 ? k : n) || ldc < std::max(1, m)) return kBlasInvalidValue;
  if (!supported(type_a, type_b, type_c, compute) || algorithm != -1) return kBlasNotSupported;
  if (m == 0 || n == 0) return kBlasSuccess;
  const Type in = type_of(type_a), out = type_of(type_c);
  for (const auto& [p, t] : {std::pair<const void*, Type>{a, in}, {b, in}, {c, out}}) {
    if (reinterpret_cast<uintptr_t>(p) % bytes_of(t) != 0) return kBlasInvalidValue;
  }
  const auto M = static_cast<size_t>(m), N = static_cast<size_t>(n), K = static_cast<size_t>(k);
  const auto LA = static_cast<size_t>(lda), LB = static_cast<size_t>(ldb), LC = static_cast<size_t>(ldc);
  const size_t bytes_a = (op_a == 0 ? extent(M, K, LA) : extent(K, M, LA)) * bytes_of(in);
  const size_t bytes_b = (op_b == 0 ? extent(K, N, LB) : extent(N, K, LB)) * bytes_of(in);
  std::vector<Span> spans{{"a", a, bytes_a, false}, {"b", b, bytes_b, false}, {"c", c, extent(M, N, LC) * bytes_of(out), true},
                          {"the workspace", handle->workspace, handle->workspace_bytes, true}};
  const bool round = in == Type::kF32 && (compute == kCompute32Tf32 || (compute == kCompute32 && handle->math == kMathTf32));
  const Product product{c, out, LC, M, N, K,
                        Operand{b, in, op_b == 0 ? LB : 1, op_b == 0 ? 1 : LB},
                        Operand{a, in, op_a == 0 ? LA : 1, op_a == 0 ? 1 : LA},
                        *static_cast<const float*>(alpha), *static_cast<const float*>(beta), round};
  auto run = [product, workspace = handle->workspace, workspace_bytes = handle->workspace_bytes] {
    spoil(workspace, workspace_bytes);
    product.run();
  };
  const std::string what = "cublasGemmEx " + std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k);
  return enqueue(*handle, what, std::move(spans), run) ? kBlasSuccess : kBlasExecutionFailed;
}
