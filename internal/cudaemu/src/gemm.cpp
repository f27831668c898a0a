// As in Goto's and BLIS's products: panels of both operands are packed so that a small register tile of c runs through them.
#include "gemm.h"

#include <algorithm>
#include <vector>

namespace emulator {
namespace {

#if defined(__AVX512F__)
constexpr size_t kLanes = 16;
#else
constexpr size_t kLanes = 8;
#endif
typedef float Lanes __attribute__((vector_size(kLanes * 4), aligned(4)));

constexpr size_t kTileRows = 6;
constexpr size_t kTileColumns = 2 * kLanes;
constexpr size_t kDepth = 256;         // k of a packed panel
constexpr size_t kRows = 16 * kTileRows;     // m of a packed panel of a
constexpr size_t kColumns = 64 * kTileColumns;  // n of a packed panel of b

// pack copies an outer x depth part of an operand into strips of width outer elements each, depth by depth; what is missing of
// the last strip is zero. at(o, d) is data[o*outer_step + d*depth_step].
template <typename T>
void pack(float* to, const T* data, size_t outer, size_t depth, size_t outer_step, size_t depth_step, size_t width, bool round_tf32) {
  for (size_t o = 0; o < outer; o += width) {
    const size_t here = std::min(width, outer - o);
    float* strip = to + o * depth;
    if (outer_step == 1) {
      for (size_t d = 0; d < depth; d++) {
        const T* from = data + o + d * depth_step;
        for (size_t i = 0; i < here; i++) strip[d * width + i] = widen(from[i]);
      }
    } else {
      for (size_t i = 0; i < here; i++) {
        const T* from = data + (o + i) * outer_step;
        for (size_t d = 0; d < depth; d++) strip[d * width + i] = widen(from[d * depth_step]);
      }
    }
    for (size_t d = 0; d < depth && here < width; d++) std::fill_n(strip + d * width + here, width - here, 0.0f);
  }
  if (!round_tf32) return;
  const size_t all = (outer + width - 1) / width * width * depth;
  for (size_t i = 0; i < all; i++) to[i] = tf32(to[i]);
}

void pack(float* to, const Operand& from, size_t outer_at, size_t outer, size_t outer_step, size_t depth_at, size_t depth, size_t depth_step,
          size_t width, bool round_tf32) {
  const size_t offset = outer_at * outer_step + depth_at * depth_step;
  if (from.type == Type::kF32) {
    pack(to, static_cast<const float*>(from.data) + offset, outer, depth, outer_step, depth_step, width, round_tf32);
  } else {
    pack(to, static_cast<const Bf16*>(from.data) + offset, outer, depth, outer_step, depth_step, width, round_tf32);
  }
}

// tile computes kTileRows x kTileColumns of c from a strip of a and one of b, and adds or stores rows x columns of it.
void tile(float* c, size_t stride, const float* a, const float* b, size_t depth, size_t rows, size_t columns, bool accumulate) {
  Lanes sums[kTileRows][2] = {};
  for (size_t d = 0; d < depth; d++) {
    const Lanes b0 = *reinterpret_cast<const Lanes*>(b + d * kTileColumns);
    const Lanes b1 = *reinterpret_cast<const Lanes*>(b + d * kTileColumns + kLanes);
#pragma GCC unroll 6
    for (size_t i = 0; i < kTileRows; i++) {
      const float v = a[d * kTileRows + i];
      sums[i][0] += v * b0;
      sums[i][1] += v * b1;
    }
  }
  const float* flat = reinterpret_cast<const float*>(sums);
  for (size_t i = 0; i < rows; i++) {
    float* to = c + i * stride;
    const float* from = flat + i * kTileColumns;
    for (size_t j = 0; j < columns; j++) to[j] = accumulate ? to[j] + from[j] : from[j];
  }
}

}  // namespace

void multiply(float* c, size_t stride, size_t m, size_t n, size_t k, Operand a, Operand b, bool accumulate, bool round_tf32) {
  if (k == 0 && !accumulate) {
    for (size_t i = 0; i < m; i++) std::fill_n(c + i * stride, n, 0.0f);
  }
  static thread_local std::vector<float> pack_a, pack_b;
  pack_a.resize(kRows * kDepth);
  pack_b.resize(kColumns * kDepth);
  for (size_t j0 = 0; j0 < n; j0 += kColumns) {
    const size_t columns = std::min(kColumns, n - j0);
    for (size_t d0 = 0; d0 < k; d0 += kDepth) {
      const size_t depth = std::min(kDepth, k - d0);
      pack(pack_b.data(), b, j0, columns, b.column, d0, depth, b.row, kTileColumns, round_tf32);
      for (size_t i0 = 0; i0 < m; i0 += kRows) {
        const size_t rows = std::min(kRows, m - i0);
        pack(pack_a.data(), a, i0, rows, a.row, d0, depth, a.column, kTileRows, round_tf32);
        for (size_t j = 0; j < columns; j += kTileColumns) {
          for (size_t i = 0; i < rows; i += kTileRows) {
            tile(c + (i0 + i) * stride + j0 + j, stride, pack_a.data() + i * depth, pack_b.data() + j * depth, depth,
                 std::min(kTileRows, rows - i), std::min(kTileColumns, columns - j), accumulate || d0 > 0);
          }
        }
      }
    }
  }
}

}  // namespace emulator
