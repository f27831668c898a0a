// Fibers: functions that can be suspended in the middle, one small stack each.
#pragma once

#include <cstddef>

namespace emulator {

class Fiber {
 public:
  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // resume runs body, or goes on with it, until it suspends or returns. It reports whether it has returned; a fiber that
  // has returned can be given another body.
  bool resume(void (*body)(void*), void* argument);
  // suspend goes back to who called resume. Only the running fiber may call it.
  void suspend();

 private:
  struct State;
  State* state_;
};

}  // namespace emulator
