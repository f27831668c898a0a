#include "library.h"

#include <algorithm>
#include <cstring>

#include "fatal.h"

namespace emulator {
namespace {

constexpr size_t kSpoiledBytes = 1 << 20;  // at each end of a workspace

bool overlap(const Span& a, const Span& b) {
  const auto* x = static_cast<const char*>(a.data);
  const auto* y = static_cast<const char*>(b.data);
  return x < y + b.bytes && y < x + a.bytes;
}

void judge(const Context* context, const std::string& what, const std::vector<Span>& spans) {
  for (size_t i = 0; i < spans.size(); i++) {
    const Span& s = spans[i];
    if (s.bytes == 0) continue;
    if (!context->memory.holds(reinterpret_cast<uintptr_t>(s.data), s.bytes)) {
      fatal("%s: %s (%zu bytes at %p) doesn't lie inside an allocation of device %d", what.c_str(), s.name, s.bytes, s.data, context->ordinal);
    }
    for (size_t j = 0; j < spans.size(); j++) {
      if (i == j || !s.written || spans[j].bytes == 0) continue;
      if (overlap(s, spans[j])) fatal("%s: %s, which is written, overlaps %s", what.c_str(), s.name, spans[j].name);
    }
  }
}

}  // namespace

bool enqueue(const LibraryHandle& handle, const std::string& what, std::vector<Span> spans, std::function<void()> run, double milliseconds) {
  Stream* stream = handle.target();
  if (stream == nullptr || stream->context != handle.context) return false;
  Work work;
  work.what = what;
  work.milliseconds = milliseconds;
  work.run = [context = handle.context, what, spans = std::move(spans), run = std::move(run)] {
    judge(context, what, spans);
    run();
  };
  return submit(stream, std::move(work)) == kSuccess;
}

void spoil(void* workspace, size_t bytes) {
  auto* p = static_cast<unsigned char*>(workspace);
  const size_t n = std::min(bytes, kSpoiledBytes);
  if (n == 0) return;
  std::memset(p, kUnwritten, n);
  std::memset(p + bytes - n, kUnwritten, n);
}

}  // namespace emulator
