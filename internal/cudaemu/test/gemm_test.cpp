// cublasGemmEx against a product in double precision, and what it must refuse.
#include <cmath>
#include <cstring>

#include "api.h"

extern "C" {
int cublasCreate_v2(Handle*);
int cublasDestroy_v2(Handle);
int cublasSetStream_v2(Handle, Handle);
int cublasSetWorkspace_v2(Handle, void*, size_t);
int cublasGemmEx(Handle, int, int, int, int, int, const void*, const void*, int, int, const void*, int, int, const void*, void*, int, int, int, int);
}

namespace {

const int kF32 = 0, kBf16 = 14, kStrict = 68, kTf32 = 77;

float at(const std::vector<unsigned char>& v, int type, size_t i) {
  uint32_t bits = 0;
  if (type == kF32) std::memcpy(&bits, &v[i * 4], 4);
  if (type == kBf16) std::memcpy(reinterpret_cast<char*>(&bits) + 2, &v[i * 2], 2);
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}

// some gives n numbers of about 1; as bfloat16 they are cut off.
std::vector<unsigned char> some(int type, size_t n, unsigned seed) {
  const size_t bytes = type == kF32 ? 4 : 2;
  std::vector<unsigned char> v(n * bytes);
  for (size_t i = 0; i < n; i++) {
    seed = seed * 1664525 + 1013904223;
    const float f = static_cast<float>(seed >> 8) / (1 << 23) - 1;
    std::memcpy(&v[i * bytes], reinterpret_cast<const char*>(&f) + 4 - bytes, bytes);
  }
  return v;
}

void product(int op_a, int op_b, int m, int n, int k, int in, int out, int compute, float alpha, float beta, double tolerance) {
  const int lda = (op_a ? k : m) + 3, ldb = (op_b ? n : k) + 1, ldc = m + 2;
  const auto a = some(in, size_t(lda) * (op_a ? m : k), 1), b = some(in, size_t(ldb) * (op_b ? k : n), 2), c = some(out, size_t(ldc) * n, 3);
  const Pointer pa = to_device(a), pb = to_device(b), pc = to_device(c), workspace = device(1 << 16);
  Handle blas = nullptr;
  const Handle s = stream();
  expect(cublasCreate_v2(&blas), 0);
  expect(cublasSetStream_v2(blas, s), 0);
  expect(cublasSetWorkspace_v2(blas, (void*)workspace, 1 << 16), 0);
  expect(cublasGemmEx(blas, op_a, op_b, m, n, k, &alpha, (void*)pa, in, lda, (void*)pb, in, ldb, &beta, (void*)pc, out, ldc, compute, -1), 0);
  if (late()) check(to_host<unsigned char>(pc, c.size()) == c);  // not before its stream is waited for
  expect(cuStreamSynchronize(s), kOk);
  const auto got = to_host<unsigned char>(pc, c.size());
  double differ = 0;
  for (int j = 0; j < n; j++) {
    for (int i = 0; i < ldc; i++) {
      if (i >= m) {
        check(j == n || at(got, out, size_t(j) * ldc + i) == at(c, out, size_t(j) * ldc + i));
        continue;
      }
      double sum = 0;
      for (int p = 0; p < k; p++) {
        sum += double(at(a, in, op_a ? p + size_t(i) * lda : i + size_t(p) * lda)) * at(b, in, op_b ? j + size_t(p) * ldb : p + size_t(j) * ldb);
      }
      const double wanted = alpha * sum + (beta != 0 ? beta * double(at(c, out, size_t(j) * ldc + i)) : 0);
      differ = std::fmax(differ, std::fabs(at(got, out, size_t(j) * ldc + i) - wanted));
    }
  }
  near(differ, 0, tolerance);
  if (compute == kTf32) check(differ > tolerance / 1000);  // that it was rounded shows
  expect(cublasDestroy_v2(blas), 0);
}

}  // namespace

TEST(multiplies_floats) {
  open();
  for (int ops = 0; ops < 4; ops++) {
    product(ops & 1, ops >> 1, 37, 131, 300, kF32, kF32, kStrict, 1, 0, 1e-4);
    product(ops & 1, ops >> 1, 130, 7, 600, kF32, kF32, kStrict, 0.5f, 2, 1e-4);
    product(ops & 1, ops >> 1, 1, 1, 1, kF32, kF32, kStrict, 1, 1, 1e-6);
    product(ops & 1, ops >> 1, 64, 64, 300, kF32, kF32, kTf32, 1, 0, 2e-2);
  }
}

TEST(multiplies_bfloat16) {
  open();
  for (int ops = 0; ops < 4; ops++) {
    product(ops & 1, ops >> 1, 37, 131, 300, kBf16, kF32, kStrict, 1, 1, 1e-4);
    product(ops & 1, ops >> 1, 37, 131, 300, kBf16, kBf16, kStrict, 1, 0, 0.2);
  }
}

TEST(refuses_wrong_products) {
  open();
  Handle blas = nullptr;
  expect(cublasCreate_v2(&blas), 0);
  const Pointer p = device(1 << 12);
  const float one = 1;
  const auto call = [&](int m, int lda, int a, int b, int c, int compute) {
    return cublasGemmEx(blas, 0, 0, m, 4, 4, &one, (void*)p, a, lda, (void*)p, b, 4, &one, (void*)(p + 2048), c, 16, compute, -1);
  };
  expect(call(4, 3, kF32, kF32, kF32, kStrict), 7);
  expect(call(-1, 4, kF32, kF32, kF32, kStrict), 7);
  expect(call(4, 4, kF32, kBf16, kF32, kStrict), 15);
  expect(call(4, 4, kF32, kF32, kBf16, kStrict), 15);
  expect(call(4, 4, kBf16, kBf16, kF32, kTf32), 15);
  expect(call(4, 4, kF32, kF32, kF32, 64), 15);
  expect(call(4, 4, kF32, kF32, kF32, kStrict), 0);
  expect(cublasDestroy_v2(blas), 0);
  expect(cublasDestroy_v2(blas), 1);
}

TEST(dies_gemm_outside) {
  open();
  Handle blas = nullptr;
  expect(cublasCreate_v2(&blas), 0);
  const float one = 1;
  const Pointer a = device(4 * 4 * 4), b = device(4 * 4 * 3), c = device(4 * 4 * 4);
  cublasGemmEx(blas, 0, 0, 4, 4, 4, &one, (void*)a, kF32, 4, (void*)b, kF32, 4, &one, (void*)c, kF32, 4, kStrict, -1);
  cuCtxSynchronize();
}
