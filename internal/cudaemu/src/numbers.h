// The element types of the emulated libraries: float and bfloat16, and the rounding of TF32.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace emulator {

using Bf16 = uint16_t;  // a bfloat16's bits

enum class Type { kF32, kBf16 };

inline size_t bytes_of(Type t) { return t == Type::kF32 ? 4 : 2; }

inline uint32_t bits_of(float v) {
  uint32_t b;
  std::memcpy(&b, &v, sizeof b);
  return b;
}

inline float of_bits(uint32_t b) {
  float v;
  std::memcpy(&v, &b, sizeof v);
  return v;
}

// round_bits rounds away the low bits of a float, to nearest, halves to even.
inline uint32_t round_bits(uint32_t b, int low) { return (b + ((1u << (low - 1)) - 1) + (b >> low & 1)) >> low << low; }

inline float widen(float v) { return v; }
inline float widen(Bf16 v) { return of_bits(static_cast<uint32_t>(v) << 16); }

inline void narrow(float v, float* to) { *to = v; }
inline void narrow(float v, Bf16* to) {
  *to = static_cast<Bf16>(std::isnan(v) ? bits_of(v) >> 16 | 0x40 : round_bits(bits_of(v), 16) >> 16);
}

// tf32 rounds to the 10 bits of mantissa that tensor cores keep of a float.
inline float tf32(float v) { return std::isnan(v) ? v : of_bits(round_bits(bits_of(v), 13)); }

inline float load(const void* p, Type t, size_t i) {
  return t == Type::kF32 ? static_cast<const float*>(p)[i] : widen(static_cast<const Bf16*>(p)[i]);
}

inline void store(float v, void* p, Type t, size_t i) {
  if (t == Type::kF32) {
    narrow(v, static_cast<float*>(p) + i);
  } else {
    narrow(v, static_cast<Bf16*>(p) + i);
  }
}

}  // namespace emulator
