// The matrix product behind the emulated cuBLAS and cuDNN.
#pragma once

#include <cstddef>

#include "numbers.h"

namespace emulator {

// Operand is a matrix as it is read: element (i, j) is at data[i*row + j*column].
struct Operand {
  const void* data;
  Type type;
  size_t row;
  size_t column;
};

// multiply computes c (m x n, row-major, stride elements a row) = a (m x k) b (k x n), or c += with accumulate. Sums are in
// float32, their order depends on the shape alone. With round_tf32 the operands are rounded to TF32 first.
void multiply(float* c, size_t stride, size_t m, size_t n, size_t k, Operand a, Operand b, bool accumulate, bool round_tf32);

}  // namespace emulator
