// cuDNN's convolutions against sums in double precision, and what it must refuse.
#include <cmath>

#include "conv_api.h"

namespace {

// compare checks got against wanted where it was to be written (wanted isn't NaN) and against before elsewhere.
void compare(const std::vector<float>& got, const std::vector<double>& wanted, const std::vector<float>& before, double tolerance) {
  for (size_t i = 0; i < got.size(); i++) {
    if (std::isnan(wanted[i])) {
      near(got[i], before[i], 0);
    } else {
      near(got[i], wanted[i], tolerance * (1 + std::fabs(wanted[i])));
    }
  }
}

// wanted gives beta * before, and NaN in the gaps of a pitch.
std::vector<double> scaled(const std::vector<float>& before, int channels, int pitch, float beta) {
  std::vector<double> v(before.size());
  for (size_t i = 0; i < v.size(); i++) v[i] = i % size_t(pitch) < size_t(channels) ? beta * double(before[i]) : NAN;
  return v;
}

void forward(Case t, int algorithm, float alpha, float beta, double tolerance) {
  auto wanted = scaled(t.y, t.k, t.y_pitch, beta);
  t.each([&](size_t x, size_t w, size_t y) { wanted[y] += alpha * double(t.x[x]) * t.f[w]; });
  expect(cudnnConvolutionForward(t.dnn, &alpha, t.xd, (void*)t.px, t.wd, (void*)t.pw, t.conv, algorithm, t.workspace_pointer(), Case::kWorkspace, &beta, t.yd, (void*)t.py), 0);
  compare(t.read(t.py, t.y.size()), wanted, t.y, tolerance);
}

void backward(Case t, int algorithm, float alpha, float beta, double tolerance) {
  auto dw = scaled(t.f, 1, 1, beta);
  auto dx = scaled(t.x, t.c, t.x_pitch, beta);
  t.each([&](size_t x, size_t w, size_t y) {
    dw[w] += alpha * double(t.x[x]) * t.y[y];
    dx[x] += alpha * double(t.f[w]) * t.y[y];
  });
  // A copy of w takes dw, since dx needs w, and the other way around.
  const Pointer pdw = device(t.f.size() * 4);
  expect(cuMemcpyDtoDAsync_v2(pdw, t.pw, t.f.size() * (t.type == kFloat ? 4 : 2), t.stream), kOk);
  expect(cudnnConvolutionBackwardFilter(t.dnn, &alpha, t.xd, (void*)t.px, t.yd, (void*)t.py, t.conv, algorithm, t.workspace_pointer(), Case::kWorkspace, &beta, t.wd, (void*)pdw), 0);
  expect(cudnnConvolutionBackwardData(t.dnn, &alpha, t.wd, (void*)t.pw, t.yd, (void*)t.py, t.conv, algorithm, t.workspace_pointer(), Case::kWorkspace, &beta, t.xd, (void*)t.px), 0);
  compare(t.read(pdw, t.f.size()), dw, t.f, tolerance);
  compare(t.read(t.px, t.x.size()), dx, t.x, tolerance);
}

void bias(Case t, int algorithm, Handle activation, double tolerance) {
  const float one = 1, zero = 0;
  auto wanted = scaled(t.y, t.k, t.y_pitch, 0);
  for (size_t i = 0; i < wanted.size(); i++) wanted[i] += std::isnan(wanted[i]) ? 0 : t.b[i % size_t(t.y_pitch)];
  t.each([&](size_t x, size_t w, size_t y) { wanted[y] += double(t.x[x]) * t.f[w]; });
  if (activation == t.relu) {
    for (double& v : wanted) v = v < 0 ? 0 : v;
  }
  expect(cudnnConvolutionBiasActivationForward(t.dnn, &one, t.xd, (void*)t.px, t.wd, (void*)t.pw, t.conv, algorithm, t.workspace_pointer(), Case::kWorkspace, &zero,
                                               t.yd, (void*)t.py, t.bd, (void*)t.pb, activation, t.yd, (void*)t.py), 0);
  compare(t.read(t.py, t.y.size()), wanted, t.y, tolerance);
}

Case plain(int type, int math) { return Case(type, math, 2, 9, 7, 5, 6, 3, 2, 2, 1, 3, 2); }

}  // namespace

TEST(convolves) {
  open();
  forward(plain(kFloat, kFmaMath), 0, 1, 0, 1e-5);
  forward(plain(kFloat, kFmaMath), 1, 0.5f, 2, 1e-5);
  forward(plain(kFloat, kDefaultMath), 2, 1, 0, 1e-2);
  forward(plain(kBf16, kTensorMath), 1, 1, 0, 1e-2);
  forward(plain(kBf16, kTensorMath), 1, 1, 1, 1e-2);
  forward(Case(kFloat, kFmaMath, 1, 1, 1, 300, 40, 1, 1, 1, 0, 0, 0), 1, 1, 0, 1e-4);
}

TEST(convolves_backward) {
  open();
  backward(plain(kFloat, kFmaMath), 1, 1, 0, 1e-5);
  backward(plain(kFloat, kFmaMath), 0, 0.5f, 1, 1e-5);
  backward(plain(kFloat, kDefaultMath), 1, 1, 0, 1e-2);
  backward(plain(kBf16, kTensorMath), 1, 1, 1, 2e-2);
}

TEST(convolves_with_bias) {
  open();
  Case t = plain(kFloat, kFmaMath);
  bias(t, 1, t.identity, 1e-5);
  bias(t, 0, t.relu, 1e-5);
  Case half = plain(kBf16, kTensorMath);
  bias(half, 1, half.relu, 1e-2);
}

TEST(repeats_deterministic_algorithms_only) {
  open();
  Case t = plain(kFloat, kFmaMath);
  const float one = 1, zero = 0;
  const auto run = [&](int algorithm) {
    expect(cudnnConvolutionForward(t.dnn, &one, t.xd, (void*)t.px, t.wd, (void*)t.pw, t.conv, algorithm, t.workspace_pointer(), Case::kWorkspace, &zero, t.yd, (void*)t.py), 0);
    return t.read(t.py, t.y.size());
  };
  check(run(1) == run(1));
  check(run(2) != run(2));
}

TEST(finds_algorithms) {
  open();
  Case t = plain(kFloat, kDefaultMath);
  Performance all[16];
  int count = 0;
  const auto find = [&](size_t bytes) {
    return cudnnFindConvolutionForwardAlgorithmEx(t.dnn, t.xd, (void*)t.px, t.wd, (void*)t.pw, t.conv, t.yd, (void*)t.py, 16, &count, all, t.workspace_pointer(), bytes);
  };
  expect(find(Case::kWorkspace), 0);
  expect(all[0].status, 0);
  expect(all[0].determinism, 0);
  expect(all[1].status, 0);
  expect(all[1].determinism, 1);
  check(all[0].milliseconds < all[1].milliseconds && all[0].bytes != all[1].bytes && all[1].bytes > 0);
  expect(all[count - 1].status != 0, 1);
  check(to_host<float>(t.py, 1)[0] != t.y[0]);  // y is lost
  size_t bytes = 0;
  expect(cudnnGetConvolutionForwardWorkspaceSize(t.dnn, t.xd, t.wd, t.conv, t.yd, all[1].algorithm, &bytes), 0);
  expect(bytes, all[1].bytes);
  const size_t needed = all[1].bytes;
  const int algorithm = all[1].algorithm;
  expect(find(0), 0);
  expect(all[0].bytes, 0);
  for (int i = 0; i < count; i++) check(all[i].status != 0 || all[i].bytes == 0);
  const float one = 1, zero = 0;
  expect(cudnnConvolutionForward(t.dnn, &one, t.xd, (void*)t.px, t.wd, (void*)t.pw, t.conv, algorithm, t.workspace_pointer(), needed - 1, &zero, t.yd, (void*)t.py), kBadParam);
}

TEST(refuses_wrong_convolutions) {
  open();
  Case t = plain(kFloat, kFmaMath);
  const float one = 1, zero = 0;
  const auto run = [&](Handle xd, Handle wd, Handle yd, int algorithm, Pointer x) {
    return cudnnConvolutionForward(t.dnn, &one, xd, (void*)x, wd, (void*)t.pw, t.conv, algorithm, t.workspace_pointer(), Case::kWorkspace, &zero, yd, (void*)t.py);
  };
  Handle other = nullptr;
  expect(cudnnCreateTensorDescriptor(&other), 0);
  expect(run(other, t.wd, t.yd, 1, t.px), kBadParam);  // not set
  expect(cudnnSetTensor4dDescriptorEx(other, kBf16, 2, 5, 9, 7, 9 * 7 * 8, 1, 7 * 8, 8), 0);
  expect(run(other, t.wd, t.yd, 1, t.px), kBadParam);
  expect(cudnnSetTensor4dDescriptorEx(other, kFloat, 2, 4, 9, 7, 9 * 7 * 8, 1, 7 * 8, 8), 0);
  expect(run(other, t.wd, t.yd, 1, t.px), kBadParam);
  expect(cudnnSetTensor4dDescriptorEx(other, kFloat, 2, 5, 20, 7, 20 * 7 * 8, 1, 7 * 8, 8), 0);
  expect(run(other, t.wd, t.yd, 1, t.px), kBadParam);
  expect(cudnnDestroyTensorDescriptor(other), 0);
  expect(run(other, t.wd, t.yd, 1, t.px), kBadParam);
  expect(run(t.xd, t.wd, t.yd, 6, t.px), kNotSupported);  // Winograd, of 3x2
  expect(run(t.xd, t.wd, t.yd, 1, t.px + 4), kMisaligned);
  expect(cudnnConvolutionBiasActivationForward(t.dnn, &one, t.xd, (void*)t.px, t.wd, (void*)t.pw, t.conv, 0, t.workspace_pointer(), Case::kWorkspace, &zero, t.yd,
                                               (void*)t.py, t.bd, (void*)t.pb, t.identity, t.yd, (void*)t.py), kNotSupported);
  expect(run(t.xd, t.wd, t.yd, 1, t.px), 0);
}

TEST(captures_convolutions) {
  open();
  Case t = plain(kFloat, kFmaMath);
  const float one = 1, zero = 0;
  Handle graph = nullptr, executable = nullptr;
  size_t nodes = 0;
  expect(cuStreamBeginCapture_v2(t.stream, 1), kOk);
  expect(cudnnConvolutionForward(t.dnn, &one, t.xd, (void*)t.px, t.wd, (void*)t.pw, t.conv, 1, t.workspace_pointer(), Case::kWorkspace, &zero, t.yd, (void*)t.py), 0);
  expect(cuStreamEndCapture(t.stream, &graph), kOk);
  expect(cuGraphGetNodes(graph, nullptr, &nodes), kOk);
  expect(nodes, 1);
  expect(cuGraphInstantiateWithFlags(&executable, graph, 0), kOk);
  check(t.read(t.py, t.y.size()) == t.y);
  expect(cuGraphLaunch(executable, t.stream), kOk);
  check(t.read(t.py, t.y.size()) != t.y);
}

TEST(dies_convolution_onto_itself) {
  open();
  Case t(kFloat, kFmaMath, 1, 4, 4, 4, 4, 1, 1, 1, 0, 0, 0);
  const float one = 1, zero = 0;
  cudnnConvolutionForward(t.dnn, &one, t.xd, (void*)t.px, t.wd, (void*)t.pw, t.conv, 1, t.workspace_pointer(), Case::kWorkspace, &zero, t.yd, (void*)t.px);
  cuCtxSynchronize();
}
