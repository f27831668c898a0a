// The end of the process when the program under test broke a rule that real hardware would punish with wrong data.
#pragma once

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

namespace emulator {

// fatal writes one line to standard error and aborts.
[[noreturn]] inline void fatal(const char* format, ...) __attribute__((format(printf, 1, 2)));

[[noreturn]] inline void fatal(const char* format, ...) {
  va_list args;
  va_start(args, format);
  std::fputs("ringloom emulator: ", stderr);
  std::vfprintf(stderr, format, args);
  std::fputs("\n", stderr);
  va_end(args);
  std::fflush(stderr);
  std::abort();
}

}  // namespace emulator
