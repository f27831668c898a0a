// cuDNN's backend API: a bias and a ReLU behind a forward convolution in one graph.
#include <cmath>
#include <cstring>

#include "backend_api.h"

namespace {

constexpr int kAdd = 0, kRelu = 100;  // cudnnPointwiseMode_t

// virtual_tensor is like y, and has no memory.
Handle virtual_tensor(const Case& t, int64_t id) {
  const bool yes = true;
  Handle d = tensor(id, kFloat, t.n, t.oh, t.ow, t.k, t.k);
  set(d, 907, kBooleanType, 1, &yes);
  return finalized(d);
}

// pointwise is the operation; b may be null. Not finalised.
Handle pointwise(int mode, Handle x, Handle b, Handle y, int nan = 1) {
  const int compute = kFloat;
  Handle settings = create(kPointwise), o = create(kPointwiseOperation);
  set(settings, 0, kPointwiseModeType, 1, &mode);
  set(settings, 1, kDataType, 1, &compute);
  if (mode == kRelu) set(settings, 2, kNanType, 1, &nan);
  set(o, 750, finalized(settings));
  set(o, 751, x);
  if (b != nullptr) set(o, 752, b);
  set(o, 753, y);
  return o;
}

// Fused is a convolution with a bias in float and a ReLU behind it.
struct Fused : Parts {
  const Case& t;
  Handle bias, sums, biased;
  std::vector<float> bias_values;
  Pointer bias_pointer;
  std::vector<Handle> operations;

  explicit Fused(const Case& t, int nan = 1) : Parts(t), t(t) {
    bias = finalized(tensor('b', kFloat, 1, 1, 1, t.k, t.k));
    sums = virtual_tensor(t, 's');
    biased = virtual_tensor(t, 't');
    for (int k = 0; k < t.k; k++) bias_values.push_back(0.3f * static_cast<float>(k) - 0.5f);
    bias_pointer = to_device(bias_values);
    operations = {finalized(operation(sums)), finalized(pointwise(kAdd, sums, bias, biased)), finalized(pointwise(kRelu, biased, nullptr, y, nan))};
  }

  Engines engines(int mode = 3) const { return Engines(t.dnn, finalized(graph_of(t.dnn, operations)), mode); }

  std::vector<float> run(Handle plan) const {
    Handle pack = finalized(pack_of({'b', 'y', 'x', 'w'}, {bias_pointer, t.py, t.px, t.pw}, t.workspace));
    expect(cuMemsetD8Async(t.py, 0, t.y.size() * (t.type == kFloat ? 4 : 2), t.stream), kOk);
    expect(cudnnBackendExecute(t.dnn, plan, pack), 0);
    return t.read(t.py, t.y.size());
  }

  // want is y by plain loops, with what stands between as it is wanted.
  template <typename After>
  std::vector<float> want(After after) const {
    std::vector<float> all(t.y.size(), 0);
    t.each([&](size_t x, size_t w, size_t y) { all[y] += t.x[x] * t.f[w]; });
    for (size_t i = 0; i < all.size(); i++) {
      if (i % size_t(t.y_pitch) < size_t(t.k)) all[i] = after(all[i], bias_values[i % size_t(t.y_pitch)]);
    }
    return all;
  }
};

Case suited(int type) { return Case(type, kFmaMath, 2, 9, 7, 8, 4, 3, 2, 2, 1, 8, 4); }

float rectified(float v) { return v > 0 ? v : 0; }

void same(const std::vector<float>& got, const std::vector<float>& want, double tolerance) {
  expect(got.size(), want.size());
  for (size_t i = 0; i < got.size(); i++) near(got[i], want[i], tolerance);
}

// refused is the status of finalising a graph.
int refused(const Case& t, const std::vector<Handle>& operations) { return cudnnBackendFinalize(graph_of(t.dnn, operations)); }

}  // namespace

TEST(fusion_computes) {
  open();
  for (const int type : {kFloat, kBf16}) {
    const Case t = suited(type);
    const Fused f(t);
    const Engines e = f.engines();
    const auto want = f.want([](float v, float b) { return rectified(v + b); });
    for (const int64_t engine : {14, 11, 6}) same(f.run(finalized(e.plan(engine))), want, type == kFloat && engine != 6 ? 1e-4 : 3e-2);
    expect(cudnnBackendFinalize(e.plan(1)), kNotSupported);
    expect(cudnnBackendFinalize(f.engines(2).plan(0)), kNotSupported);  // which does convolutions alone
    const Built alone(t);
    finalized(Engines(t.dnn, finalized(graph_of(t.dnn, {finalized(alone.operation(alone.y))})), 2).plan(0));
  }
}

TEST(fusion_keeps_nan) {
  open();
  const Case t = suited(kFloat);
  const float nan = NAN;
  expect(cuMemcpyHtoDAsync_v2(t.px, &nan, 4, t.stream), kOk);
  for (const int keep : {0, 1}) {
    const Fused f(t, keep);
    size_t nans = 0;
    for (const float v : f.run(finalized(f.engines().plan(14)))) nans += std::isnan(v) ? 1 : 0;
    check((nans > 0) == (keep == 1));
  }
}

// The same engine is proposed with other knobs.
TEST(fusion_configurations_differ) {
  open();
  const Case t = suited(kFloat);
  const Fused f(t);
  check(workspace_of(finalized(f.engines(2).plan(14))) < workspace_of(finalized(f.engines().plan(14))));
}

TEST(fusion_faults) {
  open();
  const Case t = suited(kFloat);
  const Fused f(t);
  Handle plan = finalized(f.engines().plan(14));
  setenv("RINGLOOM_EMULATOR_ENGINES", "14=unbiased", 1);
  same(f.run(plan), f.want([](float v, float) { return rectified(v); }), 1e-4);
  setenv("RINGLOOM_EMULATOR_ENGINES", "14=unrectified", 1);
  same(f.run(plan), f.want([](float v, float b) { return v + b; }), 1e-4);
}

// Fewer operations, and the operations in another order.
TEST(fusion_of_parts) {
  open();
  const Case t = suited(kFloat);
  const Fused f(t);
  const Parts& p = f;
  const auto run = [&](const std::vector<Handle>& operations, const std::vector<int64_t>& ids, const std::vector<Pointer>& pointers) {
    Handle plan = finalized(Engines(t.dnn, finalized(graph_of(t.dnn, operations))).plan(14));
    expect(cudnnBackendExecute(t.dnn, plan, finalized(pack_of(ids, pointers, t.workspace))), 0);
    return t.read(t.py, t.y.size());
  };
  const auto clear = [&] { expect(cuMemsetD8Async(t.py, 0, t.y.size() * 4, t.stream), kOk); };
  clear();
  same(run({f.operations[0], finalized(pointwise(kAdd, f.sums, f.bias, p.y))}, {'x', 'w', 'b', 'y'}, {t.px, t.pw, f.bias_pointer, t.py}),
       f.want([](float v, float b) { return v + b; }), 1e-4);
  clear();
  same(run({f.operations[0], finalized(pointwise(kRelu, f.sums, nullptr, p.y))}, {'x', 'w', 'y'}, {t.px, t.pw, t.py}),
       f.want([](float v, float) { return rectified(v); }), 1e-4);
  clear();
  same(run({f.operations[2], f.operations[0], f.operations[1]}, {'x', 'w', 'b', 'y'}, {t.px, t.pw, f.bias_pointer, t.py}),
       f.want([](float v, float b) { return rectified(v + b); }), 1e-4);
}

// What stands between two operations may be wanted in memory; then it needs an address.
TEST(fusion_intermediate_in_memory) {
  open();
  const Case t = suited(kFloat);
  const Fused f(t);
  Handle sums = finalized(tensor('s', kBf16, t.n, t.oh, t.ow, t.k, t.y_pitch));
  Handle graph = finalized(graph_of(t.dnn, {finalized(f.operation(sums)), finalized(pointwise(kRelu, sums, nullptr, f.y))}));
  Handle plan = finalized(Engines(t.dnn, graph).plan(14));
  const Pointer memory = device(t.y.size() * 2);
  expect(cudnnBackendExecute(t.dnn, plan, finalized(pack_of({'x', 'w', 'y'}, {t.px, t.pw, t.py}, t.workspace))), kBadParam);
  expect(cudnnBackendExecute(t.dnn, plan, finalized(pack_of({'x', 'w', 'y', 's'}, {t.px, t.pw, t.py, 0}, t.workspace))), kNull);
  expect(cudnnBackendExecute(t.dnn, plan, finalized(pack_of({'x', 'w', 'y', 's'}, {t.px, t.pw, t.py, memory}, t.workspace))), 0);
  const auto got = t.read(t.py, t.y.size());
  const auto between = to_host<uint16_t>(memory, t.y.size());
  const auto want = f.want([](float v, float) { return v; });
  for (size_t i = 0; i < got.size(); i++) {
    if (i % size_t(t.y_pitch) >= size_t(t.k)) continue;
    const uint32_t bits = static_cast<uint32_t>(between[i]) << 16;
    float v;
    std::memcpy(&v, &bits, 4);
    near(v, want[i], 2e-2);
    expect(got[i] == rectified(v), 1);  // of what is in memory, rounded
  }
}

TEST(fusion_refuses_wrong_descriptors) {
  open();
  const Case t = suited(kFloat);
  const Fused f(t);
  const int64_t n = 1;
  const int mode = kRelu, tanh = 101, compute = kBf16, nan = 2;
  const bool yes = true;
  const float half = 0.5f;
  Handle d = tensor('v', kFloat, 1, 1, 1, 4, 4);
  expect(cudnnBackendSetAttribute(d, 907, kInt64, 1, &n), kBadParam);         // type of the attribute
  expect(cudnnBackendSetAttribute(d, 907, kBooleanType, 2, &n), kBadParam);   // count
  d = tensor('v', kBf16, 1, 1, 1, 4, 4);
  set(d, 907, kBooleanType, 1, &yes);
  expect(cudnnBackendFinalize(d), kNotSupported);
  d = create(kPointwise);
  expect(cudnnBackendSetAttribute(d, 0, kInt64, 1, &n), kBadParam);
  expect(cudnnBackendSetAttribute(d, 0, kModeType, 1, &mode), kBadParam);  // of a convolution's mode
  set(d, 0, kPointwiseModeType, 1, &mode);
  expect(cudnnBackendFinalize(d), kBadParam);  // no precision
  set(d, 1, kDataType, 1, &compute);
  expect(cudnnBackendFinalize(d), kNotSupported);
  set(d, 1, kDataType, 1, &t.type);
  set(d, 2, kNanType, 1, &nan);
  expect(cudnnBackendFinalize(d), kBadParam);
  d = create(kPointwise);
  set(d, 0, kPointwiseModeType, 1, &tanh);
  set(d, 1, kDataType, 1, &t.type);
  expect(cudnnBackendFinalize(d), kNotSupported);
  expect(cudnnBackendFinalize(create(kPointwiseOperation)), kBadParam);                              // empty
  expect(cudnnBackendFinalize(pointwise(kAdd, f.sums, nullptr, f.y)), kBadParam);                    // nothing to add
  expect(cudnnBackendFinalize(pointwise(kRelu, f.sums, f.bias, f.y)), kBadParam);                    // something to add
  expect(cudnnBackendFinalize(pointwise(kAdd, f.sums, f.w, f.y)), kBadParam);                        // of another size
  expect(cudnnBackendSetAttribute(create(kPointwiseOperation), 750, kDescriptorType, 1, &f.y), kBadParam);
  expect(cudnnBackendSetAttribute(create(kPointwiseOperation), 754, kDataType, 1, &half), kBadParam);
  Handle scaled = pointwise(kRelu, f.sums, nullptr, f.y);
  set(scaled, 754, kFloatType, 1, &half);
  expect(refused(t, {f.operations[0], finalized(scaled)}), kNotSupported);
}

TEST(fusion_refuses_wrong_graphs) {
  open();
  const Case t = suited(kFloat);
  const Fused f(t);
  const float one = 1;
  Handle convolution = f.operations[0], add = f.operations[1], relu = f.operations[2], more = virtual_tensor(t, 'm');
  expect(cudnnBackendSetAttribute(create(kGraph), 801, kDescriptorType, 1, &f.y), kBadParam);  // not an operation
  expect(refused(t, {convolution}), kBadParam);                                                // nobody reads the sums
  expect(refused(t, {add, relu}), kBadParam);                                                  // nobody writes the sums
  expect(refused(t, {convolution, relu}), kBadParam);                                          // both
  expect(refused(t, {finalized(f.operation(f.y)), relu}), kBadParam);                          // two write y
  Handle apart = finalized(tensor('z', kFloat, t.n, t.oh, t.ow, t.k, t.k)), away = finalized(tensor('a', kFloat, t.n, t.oh, t.ow, t.k, t.k));
  expect(refused(t, {convolution, add, relu, finalized(pointwise(kRelu, apart, nullptr, away))}), kBadParam);  // which has nothing to do with them
  expect(refused(t, {finalized(pointwise(kRelu, apart, nullptr, away))}), kNotSupported);
  Handle twin = finalized(tensor('s', kFloat, t.n, t.oh, t.ow, t.k, t.k));  // not virtual
  expect(refused(t, {convolution, finalized(pointwise(kRelu, twin, nullptr, f.y))}), kBadParam);
  expect(refused(t, {convolution, add, finalized(pointwise(kRelu, f.biased, nullptr, more)), finalized(pointwise(kRelu, more, nullptr, f.y))}), kNotSupported);
  expect(refused(t, {convolution, finalized(pointwise(kRelu, f.sums, nullptr, more)), finalized(pointwise(kAdd, more, f.bias, f.y))}), kNotSupported);
  expect(refused(t, {convolution, add, relu, finalized(pointwise(kRelu, f.sums, nullptr, apart))}), kNotSupported);  // two read the sums
  expect(refused(t, {convolution, finalized(pointwise(kAdd, f.sums, f.sums, f.y))}), kNotSupported);
  Handle in_place = finalized(tensor('x', kFloat, t.n, t.oh, t.ow, t.k, t.k));
  expect(refused(t, {convolution, finalized(pointwise(kRelu, f.sums, nullptr, in_place))}), kBadParam);  // y has x's id, and not its size
  Handle operation = f.operation(f.sums);
  set(operation, 701, kFloatType, 1, &one);
  expect(refused(t, {finalized(operation), add, relu}), kNotSupported);  // added to what the result holds
  const Case half = suited(kBf16);
  const Fused g(half);
  Handle wide = finalized(tensor('y', kFloat, t.n, t.oh, t.ow, t.k, t.k));
  expect(refused(half, {g.operations[0], finalized(pointwise(kRelu, g.sums, nullptr, wide))}), kNotSupported);
  expect(refused(half, {finalized(g.operation(wide))}), kNotSupported);
  const Case dot(kFloat, kFmaMath, 1, 1, 1, 4, 4, 1, 1, 1, 0, 0, 0);
  const Fused d(dot);
  Handle two = finalized(tensor('y', kFloat, 2, 1, 1, 4, 4));
  expect(refused(dot, {d.operations[0], finalized(pointwise(kRelu, d.sums, nullptr, two))}), kNotSupported);  // it would grow
}

// In place is where a tensor that a graph reads has the id of one that it writes.
TEST(fusion_refuses_in_place) {
  open();
  const Case t(kFloat, kFmaMath, 1, 4, 4, 4, 4, 1, 1, 1, 0, 0, 0);  // y is of x's size
  const Fused f(t);
  expect(refused(t, {f.operations[0], f.operations[1], finalized(pointwise(kRelu, f.biased, nullptr, f.x))}), kNotSupported);
  expect(refused(t, {f.operations[0], finalized(pointwise(kAdd, f.sums, f.bias, f.y)), finalized(pointwise(kRelu, f.y, nullptr, f.y))}), kNotSupported);
}

TEST(fusion_refuses_wrong_runs) {
  open();
  const Case t = suited(kFloat);
  const Fused f(t);
  Handle plan = finalized(f.engines().plan(14));
  const auto run = [&](const std::vector<int64_t>& ids, const std::vector<Pointer>& pointers) {
    return cudnnBackendExecute(t.dnn, plan, finalized(pack_of(ids, pointers, t.workspace)));
  };
  expect(run({'x', 'w', 'y'}, {t.px, t.pw, t.py}), kBadParam);                              // no bias
  expect(run({'x', 'w', 'y', 's'}, {t.px, t.pw, t.py, f.bias_pointer}), kBadParam);         // a virtual tensor's address
  expect(run({'x', 'w', 'y', 'b'}, {t.px, t.pw, t.py, 0}), kNull);
  expect(run({'x', 'w', 'y', 'b'}, {t.px, t.pw, t.py, f.bias_pointer + 4}), kMisaligned);
  expect(run({'x', 'w', 'y', 'b'}, {t.px, t.pw, t.py, f.bias_pointer}), 0);
}

TEST(dies_fusion_sums_too_short) {
  open();
  const Case t = suited(kFloat);
  const Fused f(t);
  Handle sums = finalized(tensor('s', kFloat, t.n, t.oh, t.ow, t.k, t.k));
  Handle graph = finalized(graph_of(t.dnn, {finalized(f.operation(sums)), finalized(pointwise(kRelu, sums, nullptr, f.y))}));
  Handle plan = finalized(Engines(t.dnn, graph).plan(14));
  cudnnBackendExecute(t.dnn, plan, finalized(pack_of({'x', 'w', 'y', 's'}, {t.px, t.pw, t.py, device(16)}, t.workspace)));
  cuCtxSynchronize();
}

TEST(dies_fusion_bias_too_short) {
  open();
  const Case t = suited(kFloat);
  const Fused f(t);
  Handle plan = finalized(f.engines().plan(14));
  cudnnBackendExecute(t.dnn, plan, finalized(pack_of({'x', 'w', 'y', 'b'}, {t.px, t.pw, t.py, device(8)}, t.workspace)));
  cuCtxSynchronize();
}
