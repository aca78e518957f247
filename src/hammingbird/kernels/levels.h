// What depends on the instruction set: one Level each, chosen while running (x86) or building (NEON).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#error "These kernels read little-endian words; the package falls back to NumPy."
#endif
#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
#define HB_X86 1
#elif defined(__aarch64__) && defined(__ARM_NEON)
#include <arm_neon.h>
#define HB_NEON 1
#endif

// Into functions of any instruction set.
#if defined(__GNUC__) || defined(__clang__)
#define HB_INLINE inline __attribute__((always_inline))
#else
#define HB_INLINE inline
#endif

namespace hammingbird {

struct Hit {
  size_t row = 0;        // first row of the stretch, within the block
  size_t next = 0;       // the group to go on with
  uint32_t mask = 0;     // which rows of the stretch are nearer than the bound
  uint16_t distances[32];
};

// What codes of `m` bytes cost: see `descend` in __init__.py.
struct Descent {
  const float* cross;  // [m, m, 256, 256]
  const float* parts;  // [m, 256]
  float base, weight;
  size_t m, passes;
};

struct Level {
  const char* name;
  // Lays out whole groups of 8 rows as a block; `data` holds nothing behind the last row.
  void (*lay_out)(const uint8_t* data, size_t groups, size_t width, uint64_t* block);
  // From group `first` on, the next stretch of rows that has one nearer than `bound`.
  bool (*next_hit)(const uint64_t* block, size_t first, size_t groups, size_t words,
                   const uint64_t* query, uint32_t bound, Hit& hit);
  // The same for rows as they lie in memory, whole groups of 8, or null: one query does not pay for
  // laying out a block.
  bool (*next_hit_rows)(const uint8_t* data, size_t first, size_t groups, size_t width,
                        const uint64_t* query, uint32_t bound, Hit& hit);
  // Distances of all rows of a block.
  void (*distances)(const uint64_t* block, size_t groups, size_t words, const uint64_t* query,
                    uint16_t* out);
  // Scores of groups of 64 rows, bytes[(group * width + byte) * 64 + row], with half-byte tables
  // halves[byte * 32 + value] (16 high, 16 low) or byte tables whole[byte * 256 + value].
  void (*score)(const uint8_t* bytes, size_t groups, size_t width, const float* halves,
                const float* whole, float* out);
  bool whole_bytes;  // which of the two tables `score` reads
  // Of the same groups, the rows whose losses[byte * 32 + value] add up to less than 255; or null.
  void (*promising)(const uint8_t* bytes, size_t groups, size_t width, const uint8_t* losses,
                    uint64_t* masks);
  // The same with losses[byte * 256 + value] of whole bytes; or null.
  void (*promising_whole)(const uint8_t* bytes, size_t groups, size_t width, const uint8_t* losses,
                          uint64_t* masks);
  // Lowers what `n` codes cost; `sums` [n, 256] and `apart` [n] are space.
  void (*descend)(const Descent& what, const float* costs, uint8_t* codes, size_t n, float* sums,
                  float* apart);
  // Which of `n` rows, 256 at most, as they lie in memory, are at most `bound` away; how many are.
  size_t (*near)(const uint8_t* data, size_t n, size_t width, const uint64_t* query, uint32_t bound,
                 uint16_t* rows);
};

inline uint64_t load_word(const void* address) {
  uint64_t word;
  std::memcpy(&word, address, 8);
  return word;
}

inline uint64_t count_ones(uint64_t x) {
#if defined(__GNUC__) && !defined(HB_X86)
  return static_cast<uint64_t>(__builtin_popcountll(x));
#else  // plain x86-64 has no such instruction, but compilers turn this into vectors
  x -= (x >> 1) & 0x5555555555555555u;
  x = (x & 0x3333333333333333u) + ((x >> 2) & 0x3333333333333333u);
  x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
  return (x * 0x0101010101010101u) >> 56;
#endif
}

inline size_t lowest_one(uint64_t x) {
#if defined(__GNUC__) || defined(__clang__)
  return static_cast<size_t>(__builtin_ctzll(x));
#else
  return count_ones((x & (0 - x)) - 1);
#endif
}

// Word `w` of a row of `width` bytes, never reading outside of the row.
inline uint64_t word_of(const uint8_t* row, size_t width, size_t w) {
  const size_t left = width - 8 * w;
  if (left >= 8) return load_word(row + 8 * w);
  if (width >= 8) return load_word(row + width - 8) >> (8 * (8 - left));
  uint64_t word = 0;
  for (size_t i = 0; i < left; ++i) word |= static_cast<uint64_t>(row[i]) << (8 * i);
  return word;
}

inline void lay_out_portable(const uint8_t* data, size_t groups, size_t width, uint64_t* block) {
  const size_t words = (width + 7) / 8, whole = width / 8;
  for (size_t g = 0; g < groups; ++g, block += 8 * words)
    for (size_t i = 0; i < 8; ++i, data += width) {
      for (size_t w = 0; w < whole; ++w) block[8 * w + i] = load_word(data + 8 * w);
      if (whole < words) block[8 * whole + i] = word_of(data, width, whole);
    }
}

// Distances of one group of 8 rows, one 64-bit lane each.
inline void group_portable(const uint64_t* group, size_t words, const uint64_t* query,
                           uint64_t* found) {
  for (size_t i = 0; i < 8; ++i) found[i] = 0;
  for (size_t w = 0; w < words; ++w)
    for (size_t i = 0; i < 8; ++i) found[i] += count_ones(load_word(group + w * 8 + i) ^ query[w]);
}

#if HB_NEON
inline void group_neon(const uint64_t* group, size_t words, const uint64_t* query,
                       uint64_t* found) {
  uint64x2_t sums[4] = {vdupq_n_u64(0), vdupq_n_u64(0), vdupq_n_u64(0), vdupq_n_u64(0)};
  for (size_t w = 0; w < words; ++w) {
    const uint8x16_t q = vreinterpretq_u8_u64(vdupq_n_u64(query[w]));
    for (size_t i = 0; i < 4; ++i) {
      const auto* address = reinterpret_cast<const uint8_t*>(group + w * 8 + 2 * i);
      const uint8x16_t ones = vcntq_u8(veorq_u8(vld1q_u8(address), q));
      sums[i] = vaddq_u64(sums[i], vpaddlq_u32(vpaddlq_u16(vpaddlq_u8(ones))));
    }
  }
  for (size_t i = 0; i < 4; ++i) vst1q_u64(found + 2 * i, sums[i]);
}
#endif

template <void (*group)(const uint64_t*, size_t, const uint64_t*, uint64_t*)>
bool next_hit_groups(const uint64_t* block, size_t first, size_t groups, size_t words,
                     const uint64_t* query, uint32_t bound, Hit& hit) {
  for (size_t g = first; g < groups; ++g) {
    uint64_t found[8];
    group(block + g * words * 8, words, query, found);
    uint32_t mask = 0;
    for (uint32_t i = 0; i < 8; ++i) mask |= static_cast<uint32_t>(found[i] < bound) << i;
    if (!mask) continue;
    for (size_t i = 0; i < 8; ++i) hit.distances[i] = static_cast<uint16_t>(found[i]);
    hit.row = 8 * g, hit.next = g + 1, hit.mask = mask;
    return true;
  }
  return false;
}

template <void (*group)(const uint64_t*, size_t, const uint64_t*, uint64_t*)>
void distances_groups(const uint64_t* block, size_t groups, size_t words, const uint64_t* query,
                      uint16_t* out) {
  for (size_t g = 0; g < groups; ++g) {
    uint64_t found[8];
    group(block + g * words * 8, words, query, found);
    for (size_t i = 0; i < 8; ++i) out[8 * g + i] = static_cast<uint16_t>(found[i]);
  }
}

inline size_t near_portable(const uint8_t* data, size_t n, size_t width, const uint64_t* query,
                            uint32_t bound, uint16_t* rows) {
  size_t found = 0;
  for (size_t i = 0; i < n; ++i, data += width) {
    uint64_t distance = 0;
    for (size_t w = 0; 8 * w < width; ++w) distance += count_ones(word_of(data, width, w) ^ query[w]);
    rows[found] = static_cast<uint16_t>(i);
    found += distance <= bound;
  }
  return found;
}

// The byte `b` of a code takes the value with the least cost, the smallest of equals; `sums` [256]
// are what the other bytes add to its values. The order of additions is that of twin.py.
HB_INLINE void settle(const Descent& what, const float* costs, uint8_t* code, size_t b, float* sums,
                      float& apart) {
  constexpr size_t values = 256, lanes = 16;
  const float* parts = what.parts + b * values;
  float total[values], least[lanes];
  for (size_t v = 0; v < values; ++v) total[v] = parts[v] + sums[v];
  const float rest = apart - total[code[b]];
  for (size_t v = 0; v < values; ++v) total[v] += rest;
  for (size_t v = 0; v < values; ++v)
    sums[v] = (costs[v] + sums[v]) + what.weight * (total[v] * total[v]);
  for (size_t i = 0; i < lanes; ++i) least[i] = sums[i];
  for (size_t v = lanes; v < values; v += lanes)
    for (size_t i = 0; i < lanes; ++i) least[i] = sums[v + i] < least[i] ? sums[v + i] : least[i];
  const float lowest = *std::min_element(least, least + lanes);
  const auto value = static_cast<size_t>(std::find(sums, sums + values - 1, lowest) - sums);
  apart = total[value];
  code[b] = static_cast<uint8_t>(value);
}

// Codes take turns at one pair of bytes, so that its 65,536 numbers stay in the second-level cache.
HB_INLINE void descend_portable(const Descent& what, const float* costs, uint8_t* codes, size_t n,
                                float* sums, float* apart) {
  constexpr size_t values = 256;
  const size_t m = what.m;
  const auto block = [&](size_t o, size_t b) { return what.cross + (o * m + b) * values * values; };
  for (size_t i = 0; i < n; ++i) {
    const uint8_t* code = codes + i * m;
    apart[i] = -what.base;
    for (size_t b = 0; b < m; ++b) {
      apart[i] += what.parts[b * values + code[b]];
      for (size_t o = 0; o < b; ++o) apart[i] += block(o, b)[code[o] * values + code[b]];
    }
  }
  for (size_t step = 0; step < m * what.passes; ++step) {
    const size_t b = step % m;
    std::fill_n(sums, n * values, 0.0f);
    for (size_t o = 0; o < m; ++o) {
      if (o == b) continue;
      const float* here = block(o, b);
      for (size_t i = 0; i < n; ++i) {
        const float* added = here + codes[i * m + o] * values;
        float* sum = sums + i * values;
        for (size_t v = 0; v < values; ++v) sum[v] += added[v];
      }
    }
    for (size_t i = 0; i < n; ++i)
      settle(what, costs + (i * m + b) * values, codes + i * m, b, sums + i * values, apart[i]);
  }
}

inline void score_whole(const uint8_t* bytes, size_t groups, size_t width, const float*,
                        const float* whole, float* out) {
  for (size_t g = 0; g < groups; ++g, bytes += 64 * width, out += 64) {
    float sums[64] = {};
    for (size_t j = 0; j < width; ++j)
      for (size_t i = 0; i < 64; ++i) sums[i] += whole[j * 256 + bytes[j * 64 + i]];
    std::memcpy(out, sums, sizeof sums);
  }
}

}  // namespace hammingbird

#if HB_X86
#include "levels_x86.h"
#endif

namespace hammingbird {

inline const std::vector<Level>& levels() {
  static const std::vector<Level> all = [] {
    std::vector<Level> found;  // slowest first
    found.push_back({"portable", lay_out_portable, next_hit_groups<group_portable>, nullptr, distances_groups<group_portable>,
                     score_whole, true, nullptr, nullptr, descend_portable, near_portable});
#if HB_NEON
    found.push_back({"neon", lay_out_portable, next_hit_groups<group_neon>, nullptr, distances_groups<group_neon>, score_whole,
                     true, nullptr, nullptr, descend_portable, near_portable});
#endif
#if HB_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt"))
      found.push_back(
          {"avx2", lay_out_portable, next_hit_avx2_by_width, nullptr, distances_avx2_by_width, score_whole, true, promising_avx2, nullptr, descend_avx2, near_popcnt});
    if (__builtin_cpu_supports("avx512vpopcntdq") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
      found.push_back(
          {"avx512", lay_out_avx512_by_width, next_hit_avx512_by_width, next_hit_rows_avx512_by_width, distances_avx512_by_width, score_avx512, false, promising_avx512,
           __builtin_cpu_supports("avx512vbmi") ? promising_whole_avx512 : nullptr, descend_avx512, near_avx512});
#endif
    return found;
  }();
  return all;
}

inline const Level*& level() {
  static const Level* chosen = &levels().back();
  return chosen;
}

}  // namespace hammingbird
