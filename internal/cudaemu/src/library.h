// What the emulated cuBLAS and cuDNN have in common: handles bound to a context and a stream, and work that judges its memory.
#pragma once

#include <functional>
#include <string>

#include "context.h"

namespace emulator {

// LibraryHandle is what cublasCreate and cudnnCreate give.
struct LibraryHandle {
  Context* context = nullptr;
  Stream* stream = nullptr;  // null: the null stream
  bool usable(const Entry& entry) const { return !entry.failed() && entry.context == context; }
  Stream* target() const { return find_stream(context, stream); }
};

// Span is device memory that a call will read or write.
struct Span {
  const char* name;
  const void* data;
  size_t bytes;
  bool written;
};

// enqueue queues a library's work on the handle's stream. When it runs, each span must lie in one allocation, and what is
// written must not overlap what else is used: else the process ends. It reports false if the stream doesn't exist or refuses.
// milliseconds is how long it takes by the clock of events.
bool enqueue(const LibraryHandle& handle, const std::string& what, std::vector<Span> spans, std::function<void()> run, double milliseconds = 0.01);

// spoil overwrites a workspace, so that nothing else that a program keeps there survives.
void spoil(void* workspace, size_t bytes);

}  // namespace emulator
