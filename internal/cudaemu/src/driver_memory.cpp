// Driver API: allocation, copies and fills.
#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "context.h"
#include "fatal.h"

using namespace emulator;

namespace {

enum Where { kHost, kDevice };

bool on_device(Context* c, uintptr_t p, size_t bytes) { return c->memory.holds(p, bytes); }

// copy queues a copy. Host memory is read and written when the copy runs, as page-locked memory is.
int copy(Context* context, Stream* handle, uintptr_t dst, Where to, uintptr_t src, Where from, size_t bytes) {
  Stream* stream = find_stream(context, handle);
  if (stream == nullptr || stream->context != context) return kInvalidHandle;
  if (bytes == 0) return kSuccess;
  if (dst == 0 || src == 0) return kInvalidValue;
  if (to == kDevice && !on_device(context, dst, bytes)) return kInvalidValue;
  if (from == kDevice && !on_device(context, src, bytes)) return kInvalidValue;
  Work work;
  work.what = std::string("copy of ") + std::to_string(bytes) + " bytes " + (from == kHost ? "to" : to == kHost ? "from" : "on") + " the device";
  if (to == kHost || from == kHost) {
    work.host = reinterpret_cast<const void*>(to == kHost ? dst : src);
    work.host_bytes = bytes;
  }
  work.run = [dst, src, bytes, name = work.what, to, from, context] {
    if ((to == kDevice && !on_device(context, dst, bytes)) || (from == kDevice && !on_device(context, src, bytes))) {
      fatal("a %s ran after its device memory had been freed", name.c_str());
    }
    if (dst < src + bytes && src < dst + bytes) fatal("a %s has overlapping source and destination", name.c_str());
    std::memcpy(reinterpret_cast<void*>(dst), reinterpret_cast<const void*>(src), bytes);
  };
  return submit(stream, std::move(work));
}

// copy_now is a copy on the null stream that has ended when the call returns.
int copy_now(uintptr_t dst, Where to, uintptr_t src, Where from, size_t bytes) {
  Entry entry(Entry::kNoCapture);
  if (entry.failed()) return entry.error;
  const int result = copy(entry.context, nullptr, dst, to, src, from, bytes);
  if (result == kSuccess) finish(entry.context->streams.front().get());
  return result;
}

int copy_later(uintptr_t dst, Where to, uintptr_t src, Where from, size_t bytes, Stream* stream) {
  Entry entry;
  if (entry.failed()) return entry.error;
  return copy(entry.context, stream, dst, to, src, from, bytes);
}

template <typename T>
int fill(Context* context, Stream* handle, uintptr_t dst, T value, size_t count) {
  Stream* stream = find_stream(context, handle);
  if (stream == nullptr || stream->context != context) return kInvalidHandle;
  if (count == 0) return kSuccess;
  if (dst % sizeof(T) != 0 || !on_device(context, dst, count * sizeof(T))) return kInvalidValue;
  Work work;
  work.what = "fill of " + std::to_string(count * sizeof(T)) + " bytes";
  work.run = [dst, value, count, context] {
    if (!on_device(context, dst, count * sizeof(T))) fatal("a fill ran after its device memory had been freed");
    std::fill_n(reinterpret_cast<T*>(dst), count, value);
  };
  return submit(stream, std::move(work));
}

template <typename T>
int fill_later(uintptr_t dst, T value, size_t count, Stream* stream) {
  Entry entry;
  if (entry.failed()) return entry.error;
  return fill(entry.context, stream, dst, value, count);
}

template <typename T>
int fill_now(uintptr_t dst, T value, size_t count) {
  Entry entry(Entry::kNoCapture);
  if (entry.failed()) return entry.error;
  return fill(entry.context, nullptr, dst, value, count);  // on hardware too it doesn't wait for the fill
}

int allocate_host(void** block, size_t bytes) {
  Entry entry(Entry::kNoCapture);
  if (entry.failed()) return entry.error;
  if (block == nullptr || bytes == 0) return kInvalidValue;
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return kOutOfMemory;
  madvise(p, bytes, MADV_HUGEPAGE);
  std::memset(p, kUnwritten, bytes);  // page-locked memory isn't zeroed either
  entry.context->host_blocks.emplace_back(p, bytes);
  *block = p;
  return kSuccess;
}

}  // namespace

EXPORT int cuMemAlloc_v2(DevicePointer* address, size_t bytes) {
  Entry entry(Entry::kNoCapture);
  if (entry.failed()) return entry.error;
  if (address == nullptr || bytes == 0) return kInvalidValue;
  *address = entry.context->memory.allocate(bytes);
  return *address != 0 ? kSuccess : kOutOfMemory;
}

// cuMemFree waits for the device's work, as its manual says of memory from cuMemAlloc.
EXPORT int cuMemFree_v2(DevicePointer address) {
  Entry entry(Entry::kNoCapture);
  if (entry.failed()) return entry.error;
  if (address == 0) return kSuccess;
  finish(entry.context);
  return entry.context->memory.release(address) ? kSuccess : kInvalidValue;
}

EXPORT int cuMemGetInfo_v2(size_t* free_bytes, size_t* total_bytes) {
  Entry entry;
  if (entry.failed()) return entry.error;
  const Memory& m = entry.context->memory;
  *free_bytes = m.limit() - m.used();
  *total_bytes = m.limit();
  return kSuccess;
}

EXPORT int cuMemHostAlloc(void** block, size_t bytes, unsigned flags) {
  if (flags > 7) return kInvalidValue;
  return allocate_host(block, bytes);
}

EXPORT int cuMemAllocHost_v2(void** block, size_t bytes) { return allocate_host(block, bytes); }

EXPORT int cuMemFreeHost(void* block) {
  Entry entry(Entry::kNoCapture);
  if (entry.failed()) return entry.error;
  auto& blocks = entry.context->host_blocks;
  const auto found = std::find_if(blocks.begin(), blocks.end(), [&](const auto& b) { return b.first == block; });
  if (found == blocks.end()) return kInvalidValue;
  if (const char* what = pending_copy(entry.context, block, found->second)) {
    fatal("page-locked memory is freed while a %s that uses it is still queued", what);
  }
  munmap(found->first, found->second);
  blocks.erase(found);
  return kSuccess;
}

EXPORT int cuMemHostRegister_v2(void* block, size_t bytes, unsigned flags) {
  Entry entry(Entry::kNoCapture);
  if (entry.failed()) return entry.error;
  if (block == nullptr || bytes == 0 || flags > 15) return kInvalidValue;
  auto& blocks = entry.context->registered_blocks;
  const auto found = std::find_if(blocks.begin(), blocks.end(), [&](const auto& b) { return b.first == block; });
  if (found != blocks.end()) return 712;  // CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED
  blocks.emplace_back(block, bytes);
  return kSuccess;
}

EXPORT int cuMemHostUnregister(void* block) {
  Entry entry(Entry::kNoCapture);
  if (entry.failed()) return entry.error;
  auto& blocks = entry.context->registered_blocks;
  const auto found = std::find_if(blocks.begin(), blocks.end(), [&](const auto& b) { return b.first == block; });
  if (found == blocks.end()) return 713;  // CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED
  if (const char* what = pending_copy(entry.context, block, found->second)) {
    fatal("page-locked memory is released while a %s that uses it is still queued", what);
  }
  blocks.erase(found);
  return kSuccess;
}

EXPORT int cuMemcpyHtoDAsync_v2(DevicePointer dst, const void* src, size_t bytes, Stream* stream) {
  return copy_later(dst, kDevice, reinterpret_cast<uintptr_t>(src), kHost, bytes, stream);
}
EXPORT int cuMemcpyDtoHAsync_v2(void* dst, DevicePointer src, size_t bytes, Stream* stream) {
  return copy_later(reinterpret_cast<uintptr_t>(dst), kHost, src, kDevice, bytes, stream);
}
EXPORT int cuMemcpyDtoDAsync_v2(DevicePointer dst, DevicePointer src, size_t bytes, Stream* stream) {
  return copy_later(dst, kDevice, src, kDevice, bytes, stream);
}
EXPORT int cuMemcpyHtoD_v2(DevicePointer dst, const void* src, size_t bytes) {
  return copy_now(dst, kDevice, reinterpret_cast<uintptr_t>(src), kHost, bytes);
}
EXPORT int cuMemcpyDtoH_v2(void* dst, DevicePointer src, size_t bytes) {
  return copy_now(reinterpret_cast<uintptr_t>(dst), kHost, src, kDevice, bytes);
}
EXPORT int cuMemcpyDtoD_v2(DevicePointer dst, DevicePointer src, size_t bytes) { return copy_now(dst, kDevice, src, kDevice, bytes); }

EXPORT int cuMemsetD8Async(DevicePointer dst, unsigned char value, size_t count, Stream* stream) {
  return fill_later(dst, value, count, stream);
}
EXPORT int cuMemsetD16Async(DevicePointer dst, unsigned short value, size_t count, Stream* stream) {
  return fill_later(dst, value, count, stream);
}
EXPORT int cuMemsetD32Async(DevicePointer dst, unsigned value, size_t count, Stream* stream) {
  return fill_later(dst, value, count, stream);
}
EXPORT int cuMemsetD8_v2(DevicePointer dst, unsigned char value, size_t count) { return fill_now(dst, value, count); }
EXPORT int cuMemsetD32_v2(DevicePointer dst, unsigned value, size_t count) { return fill_now(dst, value, count); }
