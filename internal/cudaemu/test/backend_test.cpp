// cuDNN's backend API: a forward convolution by each engine, beside the legacy API, and what must be refused. fusion_test.cpp
// has what may follow a convolution in the same graph.
#include "backend_api.h"

namespace {

Case suited(int type) { return Case(type, kFmaMath, 2, 9, 7, 8, 4, 3, 2, 2, 1, 8, 4); }

}  // namespace

TEST(backend_computes_like_legacy) {
  open();
  const Case t = suited(kFloat);
  const float one = 1, zero = 0;
  expect(cudnnConvolutionForward(t.dnn, &one, t.xd, (void*)t.px, t.wd, (void*)t.pw, t.conv, 1, t.workspace_pointer(), Case::kWorkspace, &zero, t.yd, (void*)t.py), 0);
  const auto wanted = t.read(t.py, t.y.size());
  const Built b(t);
  expect(b.configs.size(), 6);
  const size_t last = t.y.size() - 5;  // of the last image, before the gap
  const auto run = [&](int64_t engine) {
    Handle plan = finalized(b.plan(engine)), pack = finalized(b.pack({'x', 'w', 'y'}, t.px, t.workspace));
    expect(cuMemsetD8Async(t.py, 0, t.y.size() * 4, t.stream), kOk);
    expect(cudnnBackendExecute(t.dnn, plan, pack), 0);
    expect(cudnnBackendDestroyDescriptor(plan), 0);
    expect(cudnnBackendDestroyDescriptor(pack), 0);
    return t.read(t.py, t.y.size());
  };
  for (const int64_t engine : {14, 11, 6}) {
    const auto got = run(engine);
    for (size_t i = 0; i < got.size(); i++) near(got[i], i % size_t(t.y_pitch) < size_t(t.k) ? wanted[i] : 0, engine == 6 ? 2e-2 : 1e-4);
    check(wanted[last] != 0);
  }
  check(run(14) == run(14));
  check(run(11) != run(11));  // nondeterministic
  std::vector<int> notes;
  b.engine(b.config(11), &notes);
  check(notes == std::vector<int>{4});
  setenv("RINGLOOM_EMULATOR_ENGINES", "14=wrong,6=fails", 1);
  check(run(14)[last] == 0);  // the last image
  Handle plan = finalized(b.plan(6)), pack = finalized(b.pack({'x', 'w', 'y'}, t.px, t.workspace));
  expect(cudnnBackendExecute(t.dnn, plan, pack), kFailed);
}

TEST(backend_captures) {
  open();
  const Case t = suited(kBf16);
  const Built b(t);
  Handle plan = finalized(b.plan(6));
  Handle graph = nullptr, executable = nullptr;
  size_t nodes = 0;
  expect(cuStreamBeginCapture_v2(t.stream, 1), kOk);
  Handle pack = finalized(b.pack({'x', 'w', 'y'}, t.px, t.workspace));  // may be made during a capture
  expect(cudnnBackendExecute(t.dnn, plan, pack), 0);
  expect(cuStreamEndCapture(t.stream, &graph), kOk);
  expect(cuGraphGetNodes(graph, nullptr, &nodes), kOk);
  expect(nodes, 1);
  expect(cuGraphInstantiateWithFlags(&executable, graph, 0), kOk);
  expect(cudnnBackendDestroyDescriptor(pack), 0);  // its pointers are in the graph
  check(t.read(t.py, t.y.size()) == t.y);
  expect(cuGraphLaunch(executable, t.stream), kOk);
  check(t.read(t.py, t.y.size()) != t.y);
  expect(cuStreamBeginCapture_v2(t.stream, 1), kOk);
  expect(cudnnBackendFinalize(b.plan(14)), kFailed);  // it would load code
  expect(cuStreamEndCapture(t.stream, &graph), kCaptureInvalidated);
}

TEST(backend_refuses_wrong_descriptors) {
  open();
  const Case t = suited(kFloat);
  const Built b(t);
  const int64_t n = 1;
  const int type = kFloat, bad_type = 3;
  Handle d = nullptr;
  expect(cudnnBackendCreateDescriptor(99, &d), kNotSupported);
  d = create(kTensor);
  expect(cudnnBackendSetAttribute(d, 906, kDataType, 1, &n), kBadParam);    // type of the attribute
  expect(cudnnBackendSetAttribute(d, 902, kInt64, 1, &n), kBadParam);       // count
  expect(cudnnBackendSetAttribute(d, 100, kDataType, 1, &type), kBadParam);  // another descriptor's
  expect(cudnnBackendSetAttribute(d, 906, kInt64, 1, nullptr), kNull);
  expect(cudnnBackendFinalize(d), kBadParam);  // incomplete
  expect(cudnnBackendSetAttribute(b.x, 906, kInt64, 1, &n), kNotReadyYet);  // finalised
  expect(cudnnBackendFinalize(b.x), kBadParam);
  d = tensor('z', kFloat, 1, 1, 1, 4, 4);
  set(d, 901, kDataType, 1, &bad_type);
  expect(cudnnBackendFinalize(d), kNotSupported);
  d = tensor('z', kFloat, 1, 1, 1, 4, 4);
  const int64_t odd = 24;
  set(d, 900, kInt64, 1, &odd);
  expect(cudnnBackendFinalize(d), kBadParam);
  Handle operation = create(kForward), raw = tensor('z', kFloat, t.n, t.h, t.w, t.c, t.c);
  expect(cudnnBackendSetAttribute(operation, 704, kDescriptorType, 1, &raw), kBadParam);    // not finalised
  expect(cudnnBackendSetAttribute(operation, 704, kDescriptorType, 1, &b.conv), kBadParam);  // not a tensor
  set(operation, 702, b.conv);
  set(operation, 703, b.w);
  set(operation, 704, b.x);
  Handle twin = finalized(tensor('x', kFloat, t.n, t.oh, t.ow, t.k, t.k));
  set(operation, 705, twin);
  expect(cudnnBackendFinalize(operation), kBadParam);  // two tensors of one id
  Handle small = finalized(tensor('s', kFloat, t.n, t.oh - 1, t.ow, t.k, t.k));
  set(operation, 705, small);
  expect(cudnnBackendFinalize(operation), kBadParam);  // of the wrong height
  int64_t got = 0;
  Handle config = create(kConfig);
  expect(cudnnBackendGetAttribute(b.plan(14), 402, kInt64, 1, &got, &got), kNotReadyYet);
  expect(cudnnBackendGetAttribute(b.config(14), 300, kDescriptorType, 1, &got, &config), kBadParam);  // not an engine
  expect(cudnnBackendFinalize(b.plan(1)), kNotSupported);
  expect(cudnnBackendDestroyDescriptor(config), 0);
  expect(cudnnBackendDestroyDescriptor(config), kBadParam);
  const Case uneven(kFloat, kFmaMath, 1, 4, 4, 3, 4, 1, 1, 1, 0, 0, 0);
  const Built u(uneven);
  expect(cudnnBackendFinalize(u.plan(6)), kNotSupported);  // tensor cores and 3 channels
  finalized(u.plan(14));
}

TEST(backend_refuses_wrong_runs) {
  open();
  const Case t = suited(kFloat);
  const Case other = suited(kFloat);
  const Built b(t);
  Handle plan = b.plan(14);
  Handle good = finalized(b.pack({'x', 'w', 'y'}, t.px, t.workspace));
  expect(cudnnBackendExecute(t.dnn, plan, good), kBadParam);  // not finalised
  finalized(plan);
  check(workspace_of(plan) > 0);
  expect(cudnnBackendExecute(t.dnn, plan, b.pack({'x', 'w', 'y'}, t.px, t.workspace)), kBadParam);
  expect(cudnnBackendExecute(t.dnn, plan, finalized(b.pack({'x', 'w', 'z'}, t.px, t.workspace))), kBadParam);
  expect(cudnnBackendFinalize(b.pack({'x', 'w'}, t.px, t.workspace)), kBadParam);
  expect(cudnnBackendFinalize(b.pack({'x', 'w', 'w'}, t.px, t.workspace)), kBadParam);
  expect(cudnnBackendExecute(t.dnn, plan, finalized(b.pack({'x', 'w', 'y'}, t.px + 4, t.workspace))), kMisaligned);
  expect(cudnnBackendExecute(t.dnn, plan, finalized(b.pack({'x', 'w', 'y'}, 0, t.workspace))), kNull);
  expect(cudnnBackendExecute(t.dnn, plan, finalized(b.pack({'x', 'w', 'y'}, t.px, 0))), kBadParam);  // it needs a workspace
  expect(cudnnBackendExecute(other.dnn, plan, good), kBadParam);
  Handle foreign = create(kPlan);
  set(foreign, 400, kHandleType, 1, &other.dnn);
  set(foreign, 401, b.config(14));
  expect(cudnnBackendFinalize(foreign), kBadParam);
  expect(cudnnBackendExecute(t.dnn, plan, good), 0);
  expect(cudnnDestroy(t.dnn), kBadParam);  // the plan is left
  expect(cudnnBackendDestroyDescriptor(b.x), 0);
  expect(cudnnBackendExecute(t.dnn, plan, good), kBadParam);  // a tensor that it is made from has gone
  expect(cudnnBackendDestroyDescriptor(plan), 0);
  expect(cudnnDestroy(t.dnn), 0);
}

TEST(dies_backend_workspace_too_small) {
  open();
  const Case t = suited(kFloat);
  const Built b(t);
  Handle plan = finalized(b.plan(14));
  cudnnBackendExecute(t.dnn, plan, finalized(b.pack({'x', 'w', 'y'}, t.px, device(16))));
  cuCtxSynchronize();
}
