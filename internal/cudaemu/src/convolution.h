// Convolutions behind the emulated cuDNN: im2col and the product of gemm.h. Sums are in float32; only results are rounded.
#pragma once

#include <cstdint>

#include "numbers.h"

namespace emulator {

// Tensor is four-dimensional: element (n, h, w, c) is at the sum of the indices times the strides, in elements.
struct Tensor {
  void* data = nullptr;
  Type type = Type::kF32;
  int n = 0, c = 0, h = 0, w = 0;
  size_t n_stride = 0, c_stride = 0, h_stride = 0, w_stride = 0;

  size_t at(int in, int ih, int iw, int ic) const {
    return static_cast<size_t>(in) * n_stride + static_cast<size_t>(ih) * h_stride + static_cast<size_t>(iw) * w_stride + static_cast<size_t>(ic) * c_stride;
  }
  size_t pixels() const { return static_cast<size_t>(h) * static_cast<size_t>(w); }
  // bytes from the first element to past the last
  size_t bytes() const { return (at(n - 1, h - 1, w - 1, c - 1) + 1) * bytes_of(type); }
};

// Geometry is what a convolution's descriptor says: cross-correlation, one group.
struct Geometry {
  int pad_h = 0, pad_w = 0, stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1;
};

// Scaling: results are alpha * result + beta * what stood there (which isn't read when beta is 0). disorder other than 0 changes
// the last bits of sums, by that number: how an algorithm without a fixed order of sums looks.
struct Scaling {
  float alpha = 1, beta = 0;
  bool round_tf32 = false;
  uint32_t disorder = 0;
};

// Epilogue is what may follow a forward convolution in the same call: y = act(alpha conv + beta z + bias).
struct Epilogue {
  Tensor z;
  const void* bias = nullptr;  // null: none
  Type bias_type = Type::kF32;
  bool relu = false, keeps_nan = false;  // a ReLU that doesn't keep NaN makes it 0
  Tensor sums, biased;                   // with data: where what the bias is added to, and what the ReLU is made of, is wanted too
};

// The filter w is a Tensor with n filters: element (k, r, s, c), dense in s and c.
void convolve(const Tensor& y, const Tensor& x, const Tensor& w, const Geometry& g, const Scaling& s, const Epilogue& e);
void convolve_backward_data(const Tensor& dx, const Tensor& w, const Tensor& dy, const Geometry& g, const Scaling& s);
void convolve_backward_filter(const Tensor& dw, const Tensor& x, const Tensor& dy, const Geometry& g, const Scaling& s);

}  // namespace emulator
