#include "convolution.h"

#include <algorithm>
#include <vector>

#include "gemm.h"

namespace emulator {
namespace {

size_t size(int n) { return static_cast<size_t>(n); }

// runs calls visit(column, pixel, count) for each run of neighbouring floats among the taps of output pixel (oh, ow): pixel is where it
// begins in an image [h][w][c], and negative for taps in the padding.
template <typename Visit>
void runs(const Tensor& x, const Tensor& w, const Geometry& g, int oh, int ow, Visit visit) {
  const int together = g.dilation_w == 1 ? w.w : 1;
  size_t column = 0;
  for (int r = 0; r < w.h; r++) {
    const int ih = oh * g.stride_h - g.pad_h + r * g.dilation_h;
    const bool outside = ih < 0 || ih >= x.h;
    for (int s = 0; s < w.w; s += together) {
      const int iw = ow * g.stride_w - g.pad_w + s * g.dilation_w;
      const int first = outside ? together : std::clamp(-iw, 0, together);
      const int last = outside ? together : std::clamp(x.w - iw, first, together);
      const auto emit = [&](int64_t pixel, int taps) {
        if (taps == 0) return;
        visit(column, pixel * x.c, size(taps) * size(x.c));
        column += size(taps) * size(x.c);
      };
      emit(-1, first);
      emit(int64_t{ih} * x.w + iw + first, last - first);
      emit(-1, together - last);
    }
  }
}

// gathered gives one image of a tensor as [h*w][c] floats.
std::vector<float> gathered(const Tensor& t, int n) {
  std::vector<float> out(t.pixels() * size(t.c));
  float* to = out.data();
  for (int h = 0; h < t.h; h++) {
    for (int w = 0; w < t.w; w++) {
      for (int c = 0; c < t.c; c++) *to++ = load(t.data, t.type, t.at(n, h, w, c));
    }
  }
  return out;
}

// columns writes image n of x as rows of output pixels: [oh*ow][r*s*c].
void columns(float* to, const Tensor& x, int n, const Tensor& w, const Tensor& y, const Geometry& g) {
  const auto image = gathered(x, n);
  const size_t width = size(w.h) * size(w.w) * size(w.c);
  for (int oh = 0; oh < y.h; oh++) {
    for (int ow = 0; ow < y.w; ow++, to += width) {
      runs(x, w, g, oh, ow, [&](size_t column, int64_t from, size_t count) {
        if (from < 0) {
          std::fill_n(to + column, count, 0.0f);
        } else {
          std::copy_n(image.data() + from, count, to + column);
        }
      });
    }
  }
}

// add_columns is the transpose of columns: it adds each tap's gradient to image, which is [h][w][c].
void add_columns(float* image, const float* from, const Tensor& x, const Tensor& w, const Tensor& y, const Geometry& g) {
  const size_t width = size(w.h) * size(w.w) * size(w.c);
  for (int oh = 0; oh < y.h; oh++) {
    for (int ow = 0; ow < y.w; ow++, from += width) {
      runs(x, w, g, oh, ow, [&](size_t column, int64_t to, size_t count) {
        if (to < 0) return;
        for (size_t i = 0; i < count; i++) image[static_cast<size_t>(to) + i] += from[column + i];
      });
    }
  }
}

// disordered changes a sum by about a unit in the last place.
float disordered(float v, uint32_t seed, size_t i) {
  uint32_t h = (seed ^ static_cast<uint32_t>(i)) * 0x9E3779B9u;
  h ^= h >> 16;
  h *= 0x85EBCA6Bu;
  return std::isfinite(v) && v != 0 ? of_bits(bits_of(v) ^ (h >> 13 & 1)) : v;
}

// kept writes what stands between two steps, if it is wanted, and gives what the next step reads there.
float kept(float v, const Tensor& t, size_t at) {
  if (t.data == nullptr) return v;
  store(v, t.data, t.type, at);
  return load(t.data, t.type, at);
}

// followed is what becomes of a sum.
float followed(float v, const Epilogue& e, int n, int h, int w, int c) {
  v = kept(v, e.sums, e.sums.at(n, h, w, c));
  if (e.bias != nullptr) v = kept(v + load(e.bias, e.bias_type, size(c)), e.biased, e.biased.at(n, h, w, c));
  return e.relu && !(v > 0) && !(e.keeps_nan && std::isnan(v)) ? 0 : v;
}

void scatter(const Tensor& t, int n, const float* from, const Scaling& s, const Epilogue* e) {
  size_t i = 0;
  for (int h = 0; h < t.h; h++) {
    for (int w = 0; w < t.w; w++) {
      for (int c = 0; c < t.c; c++, i++) {
        const size_t at = t.at(n, h, w, c);
        float v = s.alpha * (s.disorder != 0 ? disordered(from[i], s.disorder, i) : from[i]);
        if (s.beta != 0) v += s.beta * (e != nullptr && e->z.data != nullptr ? load(e->z.data, e->z.type, e->z.at(n, h, w, c)) : load(t.data, t.type, at));
        store(e != nullptr ? followed(v, *e, n, h, w, c) : v, t.data, t.type, at);
      }
    }
  }
}

Operand dense(const float* p, size_t width) { return {p, Type::kF32, width, 1}; }
Operand transposed(const float* p, size_t width) { return {p, Type::kF32, 1, width}; }

}  // namespace

void convolve(const Tensor& y, const Tensor& x, const Tensor& w, const Geometry& g, const Scaling& s, const Epilogue& e) {
  const size_t width = size(w.h) * size(w.w) * size(w.c), filters = size(w.n);
  std::vector<float> unrolled(y.pixels() * width), out(y.pixels() * filters);
  for (int n = 0; n < x.n; n++) {
    columns(unrolled.data(), x, n, w, y, g);
    multiply(out.data(), filters, y.pixels(), filters, width, dense(unrolled.data(), width), {w.data, w.type, 1, width}, false, s.round_tf32);
    scatter(y, n, out.data(), s, &e);
  }
}

void convolve_backward_data(const Tensor& dx, const Tensor& w, const Tensor& dy, const Geometry& g, const Scaling& s) {
  const size_t width = size(w.h) * size(w.w) * size(w.c), filters = size(w.n);
  std::vector<float> unrolled(dy.pixels() * width), image(dx.pixels() * size(dx.c));
  for (int n = 0; n < dx.n; n++) {
    const auto gradient = gathered(dy, n);
    multiply(unrolled.data(), width, dy.pixels(), width, filters, dense(gradient.data(), filters), {w.data, w.type, width, 1}, false, s.round_tf32);
    std::fill(image.begin(), image.end(), 0.0f);
    add_columns(image.data(), unrolled.data(), dx, w, dy, g);
    scatter(dx, n, image.data(), s, nullptr);
  }
}

void convolve_backward_filter(const Tensor& dw, const Tensor& x, const Tensor& dy, const Geometry& g, const Scaling& s) {
  const size_t width = size(dw.h) * size(dw.w) * size(dw.c), filters = size(dw.n);
  std::vector<float> unrolled(dy.pixels() * width), sums(filters * width);
  for (int n = 0; n < x.n; n++) {
    columns(unrolled.data(), x, n, dw, dy, g);
    const auto gradient = gathered(dy, n);
    multiply(sums.data(), width, filters, width, dy.pixels(), transposed(gradient.data(), filters), dense(unrolled.data(), width), n > 0, s.round_tf32);
  }
  for (int k = 0; k < dw.n; k++) scatter(dw, k, sums.data() + size(k) * width, s, nullptr);
}

}  // namespace emulator
