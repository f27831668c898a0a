// Device memory: host memory in which everything that a program must not rely on is visibly wrong.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

namespace emulator {

constexpr unsigned char kUnwritten = 0xFF;  // NaN as float, double and bfloat16; -1 as an integer

// Memory is one device's. Each allocation stands between two guard zones and starts as kUnwritten.
class Memory {
 public:
  explicit Memory(size_t limit_bytes) : limit_(limit_bytes) {}

  // allocate returns 0 when the device's memory does not suffice.
  uintptr_t allocate(size_t bytes);
  // release reports whether address was the start of an allocation; its guard zones are checked first.
  bool release(uintptr_t address);
  void release_all();

  // holds says whether the range lies inside one allocation.
  bool holds(uintptr_t address, size_t bytes) const;
  // check_guards aborts when anything has been written outside of an allocation; after names the work that ran last.
  void check_guards(const char* after) const;

  size_t limit() const { return limit_; }
  size_t used() const { return used_; }
  size_t count() const { return blocks_.size(); }

 private:
  struct Block {
    unsigned char* mapping;
    size_t mapping_bytes;
    size_t bytes;  // as asked for
  };
  void check(uintptr_t address, const Block& block, const char* after) const;

  size_t limit_;
  size_t used_ = 0;
  std::map<uintptr_t, Block> blocks_;  // by the address that the program sees
};

}  // namespace emulator
