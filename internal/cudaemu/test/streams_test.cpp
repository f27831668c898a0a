// Streams, events, capture, memory and contexts: what a program must wait for, and what the driver must refuse.
#include <cstring>
#include <thread>

#include "api.h"

namespace {

const char kAdd[] = "extern \"C\" __global__ void add(float* y, const float* x, float by, int n) {\n"
                    "  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) y[i] = x[i] + by; }";

}  // namespace

TEST(orders_streams_by_events_alone) {
  open();
  const Handle add = kernel(kAdd, "add"), a = stream(), b = stream(), ready = event();
  std::vector<float> in(8, 1), out(8, -7);
  const Pointer x = device(32), y = device(32), z = device(32);
  expect(cuMemcpyHtoDAsync_v2(x, in.data(), 32, a), kOk);
  expect(launch(add, 1, 32, a, y, x, 1.0f, 8), kOk);
  expect(cuEventRecord(ready, a), kOk);
  expect(cuStreamWaitEvent(b, ready, 0), kOk);
  expect(launch(add, 1, 32, b, z, y, 1.0f, 8), kOk);
  expect(cuMemcpyDtoHAsync_v2(out.data(), z, 32, b), kOk);
  expect(cuStreamSynchronize(b), kOk);
  for (const float v : out) near(v, 3, 0);
  expect(cuEventQuery(ready), kOk);
}

TEST(shows_a_forgotten_wait) {
  open();
  const Handle add = kernel(kAdd, "add"), a = stream(), b = stream();
  int wrong = 0;
  for (int round = 0; round < 20; round++) {
    std::vector<float> in(8, 1), out(8, -7);
    const Pointer x = device(32), z = device(32);
    expect(cuMemcpyHtoDAsync_v2(x, in.data(), 32, a), kOk);
    expect(launch(add, 1, 32, b, z, x, 1.0f, 8), kOk);  // doesn't wait for a
    expect(cuMemcpyDtoHAsync_v2(out.data(), z, 32, b), kOk);
    expect(cuStreamSynchronize(b), kOk);
    wrong += out[0] != 2;
    expect(cuCtxSynchronize(), kOk);
  }
  check(wrong > 0);
  if (late()) expect(wrong, 20);
}

TEST(runs_late) {
  open();
  const Handle s = stream(), done = event();
  std::vector<float> in{1}, out{-7};
  const Pointer x = device(4);
  expect(cuMemcpyHtoDAsync_v2(x, in.data(), 4, s), kOk);
  expect(cuMemcpyDtoHAsync_v2(out.data(), x, 4, s), kOk);
  expect(cuEventRecord(done, s), kOk);
  if (late()) {
    in[0] = 2;  // too early
    near(out[0], -7, 0);
    expect(cuEventQuery(done), kNotReady);
  }
  int polls = 0;
  while (cuEventQuery(done) == kNotReady) polls++;
  check(polls <= 3);
  near(out[0], in[0], 0);
  expect(cuStreamDestroy_v2(s), kOk);
  expect(cuStreamQuery(s), kInvalidHandle);
}

TEST(captures_and_replays) {
  open();
  const Handle add = kernel(kAdd, "add"), a = stream(), b = stream(), fork = event(), join = event();
  const Pointer x = to_device(std::vector<float>(8, 1)), y = device(32), z = device(32);
  Handle graph = nullptr, executable = nullptr;
  expect(cuStreamBeginCapture_v2(a, 1), kOk);
  expect(launch(add, 1, 32, a, y, x, 1.0f, 8), kOk);
  expect(cuEventRecord(fork, a), kOk);
  expect(cuStreamWaitEvent(b, fork, 0), kOk);
  expect(launch(add, 1, 32, b, z, y, 1.0f, 8), kOk);
  expect(cuEventRecord(join, b), kOk);
  expect(launch(add, 1, 32, a, y, y, 10.0f, 0), kOk);  // n is 0: changes nothing
  expect(cuStreamWaitEvent(a, join, 0), kOk);
  expect(launch(add, 1, 32, a, x, z, 0.0f, 8), kOk);
  expect(cuEventQuery(join), kCaptureUnsupported);  // and thus the capture is lost
  expect(cuStreamEndCapture(a, &graph), kCaptureInvalidated);

  expect(cuStreamBeginCapture_v2(a, 1), kOk);
  expect(launch(add, 1, 32, a, y, x, 1.0f, 8), kOk);
  expect(cuEventRecord(fork, a), kOk);
  expect(cuStreamWaitEvent(b, fork, 0), kOk);
  expect(launch(add, 1, 32, b, z, y, 1.0f, 8), kOk);
  expect(cuEventRecord(join, b), kOk);
  expect(cuStreamWaitEvent(a, join, 0), kOk);
  expect(launch(add, 1, 32, a, x, z, 0.0f, 8), kOk);
  expect(cuStreamEndCapture(a, &graph), kOk);
  expect(cuEventSynchronize(join), kCapturedEvent);
  size_t nodes = 0;
  expect(cuGraphGetNodes(graph, nullptr, &nodes), kOk);
  expect(nodes, 3);
  expect(cuGraphInstantiateWithFlags(&executable, graph, 0), kOk);
  expect(cuGraphDestroy(graph), kOk);
  expect(cuGraphLaunch(executable, a), kOk);
  expect(cuGraphLaunch(executable, a), kOk);
  expect(cuStreamSynchronize(a), kOk);
  for (const float v : to_host<float>(x, 8)) near(v, 5, 0);
  expect(cuGraphExecDestroy(executable), kOk);
  expect(cuGraphLaunch(executable, a), kInvalidValue);
}

TEST(refuses_in_a_capture) {
  open();
  const Handle a = stream(), b = stream(), e = event(), outside = event();
  const Pointer x = device(64);
  Handle graph = nullptr;
  Pointer p = 0;
  expect(cuEventRecord(outside, b), kOk);
  const auto lost = [&](int result, int wanted) {
    expect(result, wanted);
    expect(cuMemsetD8Async(x, 0, 64, a), kCaptureInvalidated);
    expect(cuStreamEndCapture(a, &graph), kCaptureInvalidated);
    expect(cuStreamBeginCapture_v2(a, 1), kOk);
  };
  expect(cuStreamBeginCapture_v2(a, 1), kOk);
  lost(cuStreamSynchronize(a), kCaptureUnsupported);
  lost(cuStreamQuery(a), kCaptureUnsupported);
  lost(cuMemAlloc_v2(&p, 64), kCaptureUnsupported);
  lost(cuMemFree_v2(x), kCaptureUnsupported);
  lost(cuCtxSynchronize(), kCaptureUnsupported);
  lost(cuStreamWaitEvent(a, outside, 0), kCaptureIsolation);
  // Another thread may go on meanwhile.
  int other = -1;
  Handle context = nullptr;
  expect(cuDevicePrimaryCtxRetain(&context, 0), kOk);
  std::thread([&] { other = cuCtxSetCurrent(context) + cuMemAlloc_v2(&p, 64); }).join();
  expect(other, kOk);
  // A fork that isn't joined.
  expect(cuEventRecord(e, a), kOk);
  expect(cuStreamWaitEvent(b, e, 0), kOk);
  expect(cuMemsetD8Async(x, 0, 64, b), kOk);
  expect(cuStreamEndCapture(a, &graph), kCaptureUnjoined);
}

TEST(runs_out_of_memory) {
  open();
  size_t free_bytes = 0, total = 0, left = 0;
  expect(cuMemGetInfo_v2(&free_bytes, &total), kOk);
  expect(total, 2ll << 30);
  Pointer p = 0, q = 0;
  expect(cuMemAlloc_v2(&p, total + 1), kOutOfMemory);
  expect(cuMemAlloc_v2(&p, 1000), kOk);
  expect(cuMemGetInfo_v2(&left, &total), kOk);
  expect(free_bytes - left, 1024);
  expect(cuMemAlloc_v2(&q, total - 512), kOutOfMemory);
  for (const float v : to_host<float>(p, 250)) check(v != v);  // nobody wrote it
  expect(cuMemcpyDtoDAsync_v2(p, p + 500, 501, nullptr), kInvalidValue);
  expect(cuMemFree_v2(p + 4), kInvalidValue);
  expect(cuMemFree_v2(p), kOk);
  expect(cuMemFree_v2(p), kInvalidValue);
}

TEST(keeps_contexts_to_threads) {
  int count = 0;
  Pointer p = 0;
  expect(cuDeviceGetCount(&count), kNotInitialized);
  expect(cuInit(0), kOk);
  expect(cuDeviceGetCount(&count), kOk);
  expect(count, 2);
  unsigned char one[16], two[16];
  expect(cuDeviceGetUuid(one, 0) + cuDeviceGetUuid(two, 1), kOk);
  check(std::memcmp(one, two, 16) != 0);
  expect(cuDeviceGetUuid_v2(one, 1), kOk);
  check(std::memcmp(one, two, 16) == 0);  // no slices
  expect(cuMemAlloc_v2(&p, 4), kInvalidContext);
  open();
  open();  // retained twice
  expect(cuMemAlloc_v2(&p, 4), kOk);
  int other = 0;
  std::thread([&] { other = cuMemAlloc_v2(&p, 4); }).join();
  expect(other, kInvalidContext);
  const Handle s = stream();
  expect(cuDevicePrimaryCtxRelease_v2(0), kOk);
  expect(cuStreamSynchronize(s), kOk);
  expect(cuDevicePrimaryCtxRelease_v2(0), kOk);
  expect(cuStreamSynchronize(s), kDestroyed);
  expect(cuDevicePrimaryCtxRelease_v2(0), kInvalidContext);
}

TEST(waits_across_devices) {
  open();
  const Handle first = stream(), done = event();
  std::vector<float> in{4}, between{0}, out{0};
  const Pointer x = device(4);
  expect(cuMemcpyHtoDAsync_v2(x, in.data(), 4, first), kOk);
  expect(cuMemcpyDtoHAsync_v2(between.data(), x, 4, first), kOk);
  expect(cuEventRecord(done, first), kOk);
  Handle context = nullptr;
  expect(cuDevicePrimaryCtxRetain(&context, 1), kOk);
  expect(cuCtxSetCurrent(context), kOk);
  const Handle second = stream();
  expect(cuStreamWaitEvent(second, done, 0), kOk);
  const Pointer y = device(4);
  expect(cuMemcpyHtoDAsync_v2(y, between.data(), 4, first), kInvalidHandle);  // a stream of the other device
  expect(cuMemcpyHtoDAsync_v2(y, between.data(), 4, second), kOk);
  expect(cuMemcpyDtoHAsync_v2(out.data(), y, 4, second), kOk);
  expect(cuStreamSynchronize(second), kOk);
  near(out[0], 4, 0);
}

TEST(dies_page_locked_memory_freed_early) {
  open();
  void* block = nullptr;
  expect(cuMemHostAlloc(&block, 64, 0), kOk);
  const Pointer p = device(64);
  const Handle s = stream();
  for (int i = 0; i < 50; i++) expect(cuMemcpyHtoDAsync_v2(p, block, 64, s), kOk);  // some remain, even at random
  cuMemFreeHost(block);
}
