#include "memory.h"

#include <sys/mman.h>

#include <cstring>

#include "fatal.h"

namespace emulator {
namespace {

constexpr size_t kGuardBytes = 4096;
constexpr size_t kPageBytes = 4096;
constexpr size_t kGranuleBytes = 512;  // what an allocation costs is a multiple of this, as on hardware
constexpr unsigned char kGuard = 0xA5;

size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

// untouched returns the offset of the first byte that is no longer kGuard, or bytes.
size_t untouched(const unsigned char* p, size_t bytes) {
  if (bytes == 0) return 0;
  if (p[0] == kGuard && std::memcmp(p, p + 1, bytes - 1) == 0) return bytes;
  size_t i = 0;
  while (p[i] == kGuard) i++;
  return i;
}

}  // namespace

uintptr_t Memory::allocate(size_t bytes) {
  const size_t charged = round_up(bytes, kGranuleBytes);
  if (charged < bytes || charged > limit_ - used_) return 0;
  const size_t mapping_bytes = kGuardBytes + round_up(bytes, kPageBytes) + kGuardBytes;
  void* mapping = mmap(nullptr, mapping_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) return 0;
  madvise(mapping, mapping_bytes, MADV_HUGEPAGE);
  auto* base = static_cast<unsigned char*>(mapping);
  std::memset(base, kGuard, kGuardBytes);
  std::memset(base + kGuardBytes, kUnwritten, bytes);
  std::memset(base + kGuardBytes + bytes, kGuard, mapping_bytes - kGuardBytes - bytes);
  const auto address = reinterpret_cast<uintptr_t>(base + kGuardBytes);
  blocks_[address] = Block{base, mapping_bytes, bytes};
  used_ += charged;
  return address;
}

bool Memory::release(uintptr_t address) {
  const auto found = blocks_.find(address);
  if (found == blocks_.end()) return false;
  check(address, found->second, "before it was freed");
  used_ -= round_up(found->second.bytes, kGranuleBytes);
  munmap(found->second.mapping, found->second.mapping_bytes);  // a later use is a fault, not luck
  blocks_.erase(found);
  return true;
}

void Memory::release_all() {
  while (!blocks_.empty()) release(blocks_.begin()->first);
}

bool Memory::holds(uintptr_t address, size_t bytes) const {
  auto next = blocks_.upper_bound(address);
  if (next == blocks_.begin()) return false;
  --next;
  const size_t offset = address - next->first;
  return offset <= next->second.bytes && bytes <= next->second.bytes - offset;
}

void Memory::check_guards(const char* after) const {
  for (const auto& [address, block] : blocks_) check(address, block, after);
}

void Memory::check(uintptr_t address, const Block& block, const char* after) const {
  const size_t below = untouched(block.mapping, kGuardBytes);
  if (below != kGuardBytes) {
    fatal("device memory was written %zu bytes before an allocation of %zu bytes (found after %s; RINGLOOM_EMULATOR_CHECK=each looks after each piece of work)",
          kGuardBytes - below, block.bytes, after);
  }
  const auto* end = reinterpret_cast<const unsigned char*>(address) + block.bytes;
  const size_t rest = block.mapping_bytes - kGuardBytes - block.bytes;
  const size_t above = untouched(end, rest);
  if (above != rest) {
    fatal("device memory was written %zu bytes past the end of an allocation of %zu bytes (found after %s; RINGLOOM_EMULATOR_CHECK=each looks after each piece of work)",
          above, block.bytes, after);
  }
}

}  // namespace emulator
