// Devices, their primary contexts, and what every API call begins with.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "abi.h"
#include "capture.h"
#include "memory.h"
#include "module.h"
#include "settings.h"
#include "stream.h"

namespace emulator {


// Context is a device and its primary context in one: programs get no other.
struct Context {
  explicit Context(int n) : ordinal(n), memory(settings().memory_bytes) {}

  int ordinal;
  int retained = 0;
  unsigned flags = 0;
  Memory memory;
  std::string last_work = "nothing";
  double clock = 0;  // what events tell: the milliseconds that all work up to now is said to have taken
  std::vector<std::unique_ptr<Stream>> streams;  // the first is the null stream
  std::vector<std::unique_ptr<Event>> events;
  std::vector<std::unique_ptr<Module>> modules;
  std::vector<std::pair<void*, size_t>> host_blocks;  // page-locked host memory
  std::vector<std::pair<void*, size_t>> registered_blocks;  // the program's own memory, page-locked

  void begin();  // at the first retain
  void end();    // at the last release: all work runs, then everything that is left goes
};

// Devices, one entry an ordinal; created by cuInit.
std::vector<std::unique_ptr<Context>>& devices();
bool is_device(int ordinal);

// The context that is current on the calling thread, or null.
Context* current();
void set_current(Context* context);

// Entry is at the head of every API call: it holds the lock and says what is wrong before the call has begun.
class Entry {
 public:
  enum Needs { kNothing, kInit, kContext, kNoCapture };  // each needs what stands before it
  explicit Entry(Needs needs = kContext);
  int error;                   // a Result
  Context* context = nullptr;  // the current one, with kContext and kNoCapture
  bool failed() const { return error != kSuccess; }

 private:
  std::unique_lock<std::recursive_mutex> lock_;
};

// find_stream turns a handle into a stream: null is the current context's null stream; an unknown handle gives null.
Stream* find_stream(Context* context, Stream* handle);
Event* find_event(Event* handle);
Module* find_module(Context* context, Module* handle);

void initialise();

}  // namespace emulator
