#include <cstring>

#include "conv_api.h"

namespace {

float cut(float f) {
  uint32_t b;
  std::memcpy(&b, &f, 4);
  b &= 0xffff0000u;
  std::memcpy(&f, &b, 4);
  return f;
}

// upload fills v with numbers of about 1 that the type holds, and gives the device a copy.
Pointer upload(std::vector<float>* v, size_t n, int type, unsigned seed) {
  v->resize(n);
  for (float& f : *v) {
    seed = seed * 1664525 + 1013904223;
    f = cut(static_cast<float>(seed >> 8) / (1 << 23) - 1);
  }
  if (type == kFloat) return to_device(*v);
  std::vector<uint16_t> half(n);
  for (size_t i = 0; i < n; i++) std::memcpy(&half[i], reinterpret_cast<const char*>(&(*v)[i]) + 2, 2);
  return to_device(half);
}

Handle tensor(int type, int n, int c, int h, int w, int pitch) {
  Handle d = nullptr;
  expect(cudnnCreateTensorDescriptor(&d), 0);
  expect(cudnnSetTensor4dDescriptorEx(d, type, n, c, h, w, h * w * pitch, 1, w * pitch, pitch), 0);
  return d;
}

}  // namespace

Case::Case(int type, int math, int n, int h, int w, int c, int k, int r, int s, int stride, int pad, int x_extra, int y_extra)
    : type(type), math(math), n(n), h(h), w(w), c(c), k(k), r(r), s(s), stride(stride), pad(pad), x_pitch(c + x_extra), y_pitch(k + y_extra) {
  oh = (h + 2 * pad - r) / stride + 1;
  ow = (w + 2 * pad - s) / stride + 1;
  stream = ::stream();
  expect(cudnnCreate(&dnn), 0);
  expect(cudnnSetStream(dnn, stream), 0);
  xd = tensor(type, n, c, h, w, x_pitch);
  yd = tensor(type, n, k, oh, ow, y_pitch);
  bd = tensor(type, 1, k, 1, 1, k);
  expect(cudnnCreateFilterDescriptor(&wd), 0);
  expect(cudnnSetFilter4dDescriptor(wd, type, 1, k, c, r, s), 0);
  expect(cudnnCreateConvolutionDescriptor(&conv), 0);
  expect(cudnnSetConvolution2dDescriptor(conv, pad, pad, stride, stride, 1, 1, 1, kFloat), 0);
  expect(cudnnSetConvolutionMathType(conv, math), 0);
  expect(cudnnCreateActivationDescriptor(&relu), 0);
  expect(cudnnSetActivationDescriptor(relu, 1, 0, 0), 0);
  expect(cudnnCreateActivationDescriptor(&identity), 0);
  expect(cudnnSetActivationDescriptor(identity, 5, 0, 0), 0);
  px = upload(&x, size_t(n) * h * w * x_pitch, type, 1);
  py = upload(&y, size_t(n) * oh * ow * y_pitch, type, 2);
  pw = upload(&f, size_t(k) * r * s * c, type, 3);
  pb = upload(&b, size_t(k), type, 4);
  workspace = device(kWorkspace);
}

std::vector<float> Case::read(Pointer p, size_t n) const {
  expect(cuStreamSynchronize(stream), kOk);
  if (type == kFloat) return to_host<float>(p, n);
  const auto half = to_host<uint16_t>(p, n);
  std::vector<float> v(n, 0);
  for (size_t i = 0; i < n; i++) std::memcpy(reinterpret_cast<char*>(&v[i]) + 2, &half[i], 2);
  return v;
}
