// The emulated cuDNN's backend API as the tests call it, and a forward convolution described to it.
#pragma once

#include "conv_api.h"

extern "C" {
int cudnnDestroy(Handle);
int cudnnBackendCreateDescriptor(int, Handle*);
int cudnnBackendDestroyDescriptor(Handle);
int cudnnBackendSetAttribute(Handle, int, int, int64_t, const void*);
int cudnnBackendGetAttribute(Handle, int, int, int64_t, int64_t*, void*);
int cudnnBackendFinalize(Handle);
int cudnnBackendExecute(Handle, Handle, Handle);
}

enum : int { kPointwise = 0, kConvolution = 1, kEngine = 2, kConfig = 3, kHeuristics = 4, kPlan = 5, kForward = 10, kPointwiseOperation = 13, kGraph = 15, kPack = 16, kTensor = 17 };
enum : int {
  kHandleType = 0, kDataType = 1, kBooleanType = 2, kInt64 = 3, kFloatType = 4, kPointerType = 6, kModeType = 7, kHeuristicType = 8, kNanType = 10, kNoteType = 11,
  kPointwiseModeType = 14, kDescriptorType = 15,
};
enum : int { kNotReadyYet = 1001, kNull = 2002, kFailed = 5000 };

inline Handle create(int kind) {
  Handle d = nullptr;
  expect(cudnnBackendCreateDescriptor(kind, &d), 0);
  return d;
}

inline void set(Handle d, int name, int type, int64_t count, const void* values) { expect(cudnnBackendSetAttribute(d, name, type, count, values), 0); }
inline void set(Handle d, int name, Handle used) { set(d, name, kDescriptorType, 1, &used); }

inline Handle finalized(Handle d) {
  expect(cudnnBackendFinalize(d), 0);
  return d;
}

// tensor is [n][h][w][c], not finalised.
inline Handle tensor(int64_t id, int type, int64_t n, int64_t h, int64_t w, int64_t c, int64_t pitch) {
  const int64_t dims[] = {n, c, h, w}, strides[] = {h * w * pitch, 1, w * pitch, pitch}, alignment = 16;
  Handle d = create(kTensor);
  set(d, 900, kInt64, 1, &alignment);
  set(d, 901, kDataType, 1, &type);
  set(d, 902, kInt64, 4, dims);
  set(d, 903, kInt64, 4, strides);
  set(d, 906, kInt64, 1, &id);
  return d;
}

// Parts are what a Case's forward convolution is described with.
struct Parts {
  Handle x, w, y, conv;

  explicit Parts(const Case& t) {
    x = finalized(tensor('x', t.type, t.n, t.h, t.w, t.c, t.x_pitch));
    w = finalized(tensor('w', t.type, t.k, t.r, t.s, t.c, t.c));
    y = finalized(tensor('y', t.type, t.n, t.oh, t.ow, t.k, t.y_pitch));
    const int64_t dims = 2, pads[] = {t.pad, t.pad}, strides[] = {t.stride, t.stride}, ones[] = {1, 1};
    const int mode = 1, compute = kFloat;
    conv = create(kConvolution);
    set(conv, 100, kDataType, 1, &compute);
    set(conv, 101, kModeType, 1, &mode);
    set(conv, 102, kInt64, 2, ones);
    set(conv, 103, kInt64, 2, strides);
    set(conv, 104, kInt64, 2, pads);
    set(conv, 105, kInt64, 2, pads);
    set(conv, 106, kInt64, 1, &dims);
    finalized(conv);
  }

  // operation writes the convolution to a tensor; not finalised.
  Handle operation(Handle to) const {
    Handle o = create(kForward);
    set(o, 702, conv);
    set(o, 703, w);
    set(o, 704, x);
    set(o, 705, to);
    return o;
  }
};

// graph isn't finalised.
inline Handle graph_of(Handle dnn, const std::vector<Handle>& operations) {
  Handle g = create(kGraph);
  set(g, 800, kHandleType, 1, &dnn);
  set(g, 801, kDescriptorType, static_cast<int64_t>(operations.size()), operations.data());
  return g;
}

// pack isn't finalised.
inline Handle pack_of(const std::vector<int64_t>& ids, const std::vector<Pointer>& pointers, Pointer workspace) {
  Handle v = create(kPack);
  set(v, 1000, kInt64, static_cast<int64_t>(ids.size()), ids.data());
  set(v, 1001, kPointerType, static_cast<int64_t>(pointers.size()), pointers.data());
  set(v, 1003, kPointerType, 1, &workspace);
  return v;
}

// Engines are the engine configurations that a mode of the heuristics proposes for a graph.
struct Engines {
  Handle dnn;
  std::vector<Handle> configs;

  Engines(Handle dnn, Handle graph, int mode = 3) : dnn(dnn) {
    Handle heuristics = create(kHeuristics);
    set(heuristics, 200, kHeuristicType, 1, &mode);
    set(heuristics, 201, graph);
    finalized(heuristics);
    int64_t count = 0, got = 0;
    expect(cudnnBackendGetAttribute(heuristics, 202, kDescriptorType, 0, &count, nullptr), 0);
    for (int64_t i = 0; i < count; i++) configs.push_back(create(kConfig));
    expect(cudnnBackendGetAttribute(heuristics, 202, kDescriptorType, count, &got, configs.data()), 0);
    expect(got, count);
    expect(cudnnBackendDestroyDescriptor(heuristics), 0);
  }

  int64_t engine(Handle config, std::vector<int>* notes = nullptr) const {
    Handle e = create(kEngine);
    int64_t got = 0, index = -1;
    int all[32];
    expect(cudnnBackendGetAttribute(config, 300, kDescriptorType, 1, &got, &e), 0);
    expect(cudnnBackendGetAttribute(e, 1301, kInt64, 1, &got, &index), 0);
    expect(cudnnBackendGetAttribute(e, 1303, kNoteType, 32, &got, all), 0);
    if (notes != nullptr) notes->assign(all, all + got);
    expect(cudnnBackendDestroyDescriptor(e), 0);
    return index;
  }

  Handle config(int64_t wanted) const {
    for (Handle c : configs) {
      if (engine(c) == wanted) return c;
    }
    std::fprintf(stderr, "no engine %lld\n", static_cast<long long>(wanted));
    std::exit(1);
  }

  // plan isn't finalised.
  Handle plan(int64_t wanted) const {
    Handle p = create(kPlan);
    set(p, 400, kHandleType, 1, &dnn);
    set(p, 401, config(wanted));
    return p;
  }
};

// Built is a forward convolution alone, up to its engine configurations.
struct Built : Parts, Engines {
  const Case& t;

  explicit Built(const Case& t) : Parts(t), Engines(t.dnn, finalized(graph_of(t.dnn, {finalized(operation(y))}))), t(t) {}

  // pack isn't finalised.
  Handle pack(const std::vector<int64_t>& ids, Pointer px, Pointer workspace) const { return pack_of(ids, {px, t.pw, t.py}, workspace); }
};

inline int64_t workspace_of(Handle plan) {
  int64_t bytes = -1, got = 0;
  expect(cudnnBackendGetAttribute(plan, 402, kInt64, 1, &got, &bytes), 0);
  return bytes;
}
