#include "context.h"

#include <sys/mman.h>

#include <algorithm>

#include "fatal.h"
#include "module.h"

namespace emulator {
namespace {

std::recursive_mutex& mutex() {
  static std::recursive_mutex m;
  return m;
}

bool initialised = false;
thread_local Context* thread_context = nullptr;

}  // namespace

void Context::begin() {
  auto null_stream = std::make_unique<Stream>();
  null_stream->context = this;
  streams.push_back(std::move(null_stream));
}

void Context::end() {
  finish(this);
  const size_t live_streams = streams.size() - 1;
  if (memory.count() + live_streams + events.size() + modules.size() + host_blocks.size() != 0 && settings().leaks_abort) {
    fatal("the context of device %d ended with %zu allocations, %zu page-locked blocks, %zu streams, %zu events and %zu modules left",
          ordinal, memory.count(), host_blocks.size(), live_streams, events.size(), modules.size());
  }
  modules.clear();
  events.clear();
  streams.clear();
  for (const auto& [block, bytes] : host_blocks) munmap(block, bytes);
  host_blocks.clear();
  memory.release_all();
}

std::vector<std::unique_ptr<Context>>& devices() {
  static auto& all = *new std::vector<std::unique_ptr<Context>>;  // never destroyed: other threads may run at exit
  return all;
}

bool is_device(int ordinal) { return ordinal >= 0 && ordinal < static_cast<int>(devices().size()); }

Context* current() { return thread_context; }

void set_current(Context* context) { thread_context = context; }

void initialise() {
  if (initialised) return;
  for (int i = 0; i < settings().devices; i++) devices().push_back(std::make_unique<Context>(i));
  initialised = true;
}

Entry::Entry(Needs needs) : error(kSuccess), lock_(mutex()) {
  if (needs >= kInit && !initialised) {
    error = kNotInitialized;
    return;
  }
  if (needs < kContext) return;
  context = thread_context;
  if (context == nullptr) {
    error = kInvalidContext;
  } else if (context->retained == 0) {
    error = kContextIsDestroyed;
  } else if (needs == kNoCapture && forbidden()) {
    error = kCaptureUnsupported;
  }
}

Stream* find_stream(Context* context, Stream* handle) {
  if (handle == nullptr) return context->streams.front().get();
  for (const auto& device : devices()) {
    for (const auto& s : device->streams) {
      if (s.get() == handle && !s->destroyed) return handle;
    }
  }
  return nullptr;
}

Event* find_event(Event* handle) {
  for (const auto& device : devices()) {
    for (const auto& e : device->events) {
      if (e.get() == handle) return handle;
    }
  }
  return nullptr;
}

Module* find_module(Context* context, Module* handle) {
  for (const auto& m : context->modules) {
    if (m.get() == handle) return handle;
  }
  return nullptr;
}

}  // namespace emulator
