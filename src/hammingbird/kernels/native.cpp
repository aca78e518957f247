// Hamming kernels: exact counting select, radius search, distance histograms, asymmetric scores.
//
// Rows are read in blocks that fit the first-level cache. A block is laid out for vectors: groups of
// 8 rows, word after word, 8 rows side by side (block[(group * words + word) * 8 + row]); the last
// word of a row is filled with zero bytes. A block serves all queries of a task before the next one
// is read. Everything that depends on the instruction set is in a Level; twin.py defines the results.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>
#include <optional>
#include <system_error>
#include <tuple>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#error "These kernels read little-endian words; the package falls back to NumPy."
#endif
#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
#include <immintrin.h>
#define HB_X86 1
#define HB_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq")))
#define HB_AVX2 __attribute__((target("avx2")))
#elif defined(__aarch64__) && defined(__ARM_NEON)
#include <arm_neon.h>
#define HB_NEON 1
#endif

namespace nb = nanobind;

namespace {

constexpr size_t block_bytes = 16 << 10;  // half of a usual first-level cache

// ------------------------------------------------------------------ instruction sets

struct Hit {
  size_t row = 0;        // first row of the stretch, within the block
  size_t next = 0;       // the group to go on with
  uint32_t mask = 0;     // which rows of the stretch are nearer than the bound
  uint16_t distances[32];
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
  // Scores of 16 rows, bytes[byte * 16 + row], with half-byte tables halves[byte * 32 + value]
  // (16 high, 16 low) or byte tables whole[byte * 256 + value].
  void (*score)(const uint8_t* bytes, size_t groups, size_t width, const float* halves,
                const float* whole, float* out);
  bool whole_bytes;  // which of the two tables `score` reads
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

// Word `w` of a row of `width` bytes, never reading outside of the row.
inline uint64_t word_of(const uint8_t* row, size_t width, size_t w) {
  const size_t left = width - 8 * w;
  if (left >= 8) return load_word(row + 8 * w);
  if (width >= 8) return load_word(row + width - 8) >> (8 * (8 - left));
  uint64_t word = 0;
  for (size_t i = 0; i < left; ++i) word |= static_cast<uint64_t>(row[i]) << (8 * i);
  return word;
}

void lay_out_portable(const uint8_t* data, size_t groups, size_t width, uint64_t* block) {
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

void score_whole(const uint8_t* bytes, size_t groups, size_t width, const float*,
                 const float* whole, float* out) {
  for (size_t g = 0; g < groups; ++g, bytes += 16 * width, out += 16) {
    float sums[16] = {};
    for (size_t j = 0; j < width; ++j)
      for (size_t i = 0; i < 16; ++i) sums[i] += whole[j * 256 + bytes[j * 16 + i]];
    std::memcpy(out, sums, sizeof sums);
  }
}

#if HB_X86
// Transposes 8 x 8 words at a time. Masked loads fill the last word with zeros and never fault.
template <size_t fixed>  // words, where a constant lets the compiler drop half of the shuffles
HB_AVX512 void lay_out_avx512(const uint8_t* data, size_t groups, size_t width, uint64_t* block) {
  const size_t words = fixed ? fixed : (width + 7) / 8;
  for (size_t g = 0; g < groups; ++g, data += 8 * width, block += 8 * words)
    for (size_t w = 0; w < words; w += 8) {
      const size_t left = std::min<size_t>(64, width - 8 * w), count = std::min<size_t>(8, words - w);
      const __mmask64 mask = ~0ull >> (64 - left);
      __m512i a[8], b[8];
      for (size_t i = 0; i < 8; ++i) a[i] = _mm512_maskz_loadu_epi8(mask, data + i * width + 8 * w);
      for (size_t i = 0; i < 8; i += 2) {
        b[i] = _mm512_unpacklo_epi64(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_epi64(a[i], a[i + 1]);
      }
      for (size_t i = 0; i < 8; i += 4)
        for (size_t j = 0; j < 2; ++j) {
          a[i + j] = _mm512_shuffle_i64x2(b[i + j], b[i + j + 2], 0x88);
          a[i + j + 2] = _mm512_shuffle_i64x2(b[i + j], b[i + j + 2], 0xdd);
        }
      for (size_t j = 0; j < 4; ++j) {
        b[j] = _mm512_shuffle_i64x2(a[j], a[j + 4], 0x88);
        b[j + 4] = _mm512_shuffle_i64x2(a[j], a[j + 4], 0xdd);
      }
      for (size_t j = 0; j < count; ++j) _mm512_storeu_si512(block + (w + j) * 8, b[j]);
    }
}

template <size_t stretch>  // groups at a time; `words` is a constant after inlining
HB_AVX512 __attribute__((always_inline)) inline void groups_avx512(const uint64_t* group,
                                                                   size_t words,
                                                                   const uint64_t* query,
                                                                   __m512i* found) {
  for (size_t s = 0; s < stretch; ++s) found[s] = _mm512_setzero_si512();
  for (size_t w = 0; w < words; ++w) {
    const __m512i q = _mm512_set1_epi64(static_cast<long long>(query[w]));
    for (size_t s = 0; s < stretch; ++s) {
      const __m512i rows = _mm512_loadu_si512(group + (s * words + w) * 8);
      const __m512i ones = _mm512_popcnt_epi64(_mm512_xor_si512(rows, q));
      found[s] = w ? _mm512_add_epi64(found[s], ones) : ones;
    }
  }
}

template <size_t stretch>
HB_AVX512 __attribute__((always_inline)) inline bool stretch_avx512(
    const uint64_t* block, size_t group, size_t words, const uint64_t* query, __m512i bound,
    Hit& hit) {
  __m512i found[stretch];
  groups_avx512<stretch>(block + group * words * 8, words, query, found);
  uint32_t mask = 0;
  __mmask8 masks[stretch], any = 0;
  for (size_t s = 0; s < stretch; ++s) {
    masks[s] = _mm512_cmplt_epu64_mask(found[s], bound);
    any = static_cast<__mmask8>(any | masks[s]);
  }
  if (__builtin_expect(!any, 1)) return false;
  for (size_t s = 0; s < stretch; ++s) {
    mask |= static_cast<uint32_t>(masks[s]) << (8 * s);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(hit.distances + 8 * s),
                     _mm512_cvtepi64_epi16(found[s]));
  }
  hit.row = 8 * group, hit.next = group + stretch, hit.mask = mask;
  return true;
}

template <size_t fixed>
HB_AVX512 bool next_hit_avx512(const uint64_t* block, size_t g, size_t groups, size_t words,
                               const uint64_t* query, uint32_t nearer, Hit& hit) {
  if (fixed) words = fixed;
  const __m512i bound = _mm512_set1_epi64(nearer);
  for (; g + 4 <= groups; g += 4)
    if (stretch_avx512<4>(block, g, words, query, bound, hit)) return true;
  for (; g < groups; ++g)
    if (stretch_avx512<1>(block, g, words, query, bound, hit)) return true;
  return false;
}

// Distances of 8 rows as they lie in memory. With 2 or 4 words, a register holds 4 or 2 rows.
template <size_t fixed>
HB_AVX512 __attribute__((always_inline)) inline __m512i rows_avx512(const uint8_t* data,
                                                                    size_t width,
                                                                    const uint64_t* query) {
  constexpr size_t parts = fixed ? fixed : 8;
  __m512i sums[parts];
  if (fixed) {
    const __m512i q = fixed == 2 ? _mm512_broadcast_i64x2(_mm_loadu_si128(
                                       reinterpret_cast<const __m128i*>(query)))
                                 : _mm512_broadcast_i64x4(_mm256_loadu_si256(
                                       reinterpret_cast<const __m256i*>(query)));
    for (size_t i = 0; i < parts; ++i)
      sums[i] = _mm512_popcnt_epi64(_mm512_xor_si512(_mm512_loadu_si512(data + 64 * i), q));
  } else {
    for (size_t i = 0; i < 8; ++i) sums[i] = _mm512_setzero_si512();
    for (size_t byte = 0; byte < width; byte += 64) {
      const __mmask64 mask = ~0ull >> (64 - std::min<size_t>(64, width - byte));
      const __m512i q = _mm512_maskz_loadu_epi8(mask, query + byte / 8);
      for (size_t i = 0; i < 8; ++i) {
        const __m512i row = _mm512_maskz_loadu_epi8(mask, data + i * width + byte);
        sums[i] = _mm512_add_epi64(sums[i], _mm512_popcnt_epi64(_mm512_xor_si512(row, q)));
      }
    }
  }
  // Add up the words of each row: halves the number of registers until one holds the 8 sums.
  for (size_t i = 0; i < parts; i += 2)
    sums[i / 2] = _mm512_add_epi64(_mm512_unpacklo_epi64(sums[i], sums[i + 1]),
                                   _mm512_unpackhi_epi64(sums[i], sums[i + 1]));
  if (fixed == 2)  // rows 0 4 1 5 2 6 3 7
    return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), sums[0]);
  for (size_t left = parts / 2; left > 1; left /= 2)
    for (size_t i = 0; i < left; i += 2)
      sums[i / 2] = _mm512_add_epi64(_mm512_shuffle_i64x2(sums[i], sums[i + 1], 0x88),
                                     _mm512_shuffle_i64x2(sums[i], sums[i + 1], 0xdd));
  if (fixed == 4)  // rows 0 2 1 3 4 6 5 7
    return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 1, 3, 4, 6, 5, 7), sums[0]);
  return sums[0];
}

template <size_t fixed>
HB_AVX512 bool next_hit_rows_avx512(const uint8_t* data, size_t g, size_t groups, size_t width,
                                    const uint64_t* query, uint32_t nearer, Hit& hit) {
  if (fixed) width = 8 * fixed;
  const __m512i bound = _mm512_set1_epi64(nearer);
  for (; g < groups; ++g) {
    const __m512i found = rows_avx512<fixed>(data + g * 8 * width, width, query);
    const __mmask8 mask = _mm512_cmplt_epu64_mask(found, bound);
    if (__builtin_expect(!mask, 1)) continue;
    _mm_storeu_si128(reinterpret_cast<__m128i*>(hit.distances), _mm512_cvtepi64_epi16(found));
    hit.row = 8 * g, hit.next = g + 1, hit.mask = mask;
    return true;
  }
  return false;
}

bool next_hit_rows_avx512_by_width(const uint8_t* data, size_t g, size_t groups, size_t width,
                                   const uint64_t* query, uint32_t bound, Hit& hit) {
  const auto kernel = width == 16   ? next_hit_rows_avx512<2>
                      : width == 32 ? next_hit_rows_avx512<4>
                                    : next_hit_rows_avx512<0>;
  return kernel(data, g, groups, width, query, bound, hit);
}

template <size_t fixed>
HB_AVX512 void distances_avx512(const uint64_t* block, size_t groups, size_t words,
                                const uint64_t* query, uint16_t* out) {
  if (fixed) words = fixed;
  for (size_t g = 0; g < groups; ++g) {
    __m512i found;
    groups_avx512<1>(block + g * words * 8, words, query, &found);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 8 * g), _mm512_cvtepi64_epi16(found));
  }
}

HB_AVX512 void score_avx512(const uint8_t* bytes, size_t groups, size_t width, const float* halves,
                            const float*, float* out) {
  for (size_t g = 0; g < groups; g += 4) {
    const size_t stretch = std::min<size_t>(4, groups - g);
    __m512 sums[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                      _mm512_setzero_ps()};
    for (size_t j = 0; j < width; ++j) {
      const __m512 high = _mm512_loadu_ps(halves + j * 32);
      const __m512 low = _mm512_loadu_ps(halves + j * 32 + 16);
      for (size_t s = 0; s < stretch; ++s) {
        const auto* address = reinterpret_cast<const __m128i*>(bytes + ((g + s) * width + j) * 16);
        const __m512i values = _mm512_cvtepu8_epi32(_mm_loadu_si128(address));
        // The permutation reads the low four bits of each value only.
        const __m512 first = _mm512_permutexvar_ps(_mm512_srli_epi32(values, 4), high);
        const __m512 second = _mm512_permutexvar_ps(values, low);
        sums[s] = _mm512_add_ps(sums[s], _mm512_add_ps(first, second));
      }
    }
    for (size_t s = 0; s < stretch; ++s) _mm512_storeu_ps(out + (g + s) * 16, sums[s]);
  }
}

// Distances of 8 rows: rows 0-3 in found[0], rows 4-7 in found[1].
HB_AVX2 __attribute__((always_inline)) inline void group_avx2(const uint64_t* group, size_t words,
                                                              const uint64_t* query,
                                                              __m256i* found) {
  const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                         0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
  const __m256i low = _mm256_set1_epi8(15), zero = _mm256_setzero_si256();
  found[0] = found[1] = zero;
  for (size_t start = 0; start < words; start += 16) {  // 16 words add up to 128 in a byte
    __m256i bytes[2] = {zero, zero};
    const size_t stop = std::min(words, start + 16);
    for (size_t w = start; w < stop; ++w) {
      const __m256i q = _mm256_set1_epi64x(static_cast<long long>(query[w]));
      for (size_t s = 0; s < 2; ++s) {
        const auto* address = reinterpret_cast<const __m256i*>(group + w * 8 + 4 * s);
        const __m256i x = _mm256_xor_si256(_mm256_loadu_si256(address), q);
        const __m256i a = _mm256_shuffle_epi8(table, _mm256_and_si256(x, low));
        const __m256i b =
            _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(x, 4), low));
        bytes[s] = _mm256_add_epi8(bytes[s], _mm256_add_epi8(a, b));
      }
    }
    for (size_t s = 0; s < 2; ++s)
      found[s] = _mm256_add_epi64(found[s], _mm256_sad_epu8(bytes[s], zero));
  }
}

HB_AVX2 inline __m128i pack_avx2(const __m256i* found) {
  const __m256i mixed = _mm256_or_si256(found[0], _mm256_slli_epi64(found[1], 32));
  const __m256i sorted =
      _mm256_permutevar8x32_epi32(mixed, _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7));
  return _mm_packus_epi32(_mm256_castsi256_si128(sorted), _mm256_extracti128_si256(sorted, 1));
}

template <size_t fixed>
HB_AVX2 bool next_hit_avx2(const uint64_t* block, size_t g, size_t groups, size_t words,
                           const uint64_t* query, uint32_t nearer, Hit& hit) {
  if (fixed) words = fixed;
  const __m256i bound = _mm256_set1_epi64x(nearer);
  for (; g < groups; ++g) {
    __m256i found[2];
    group_avx2(block + g * words * 8, words, query, found);
    const __m256i first = _mm256_cmpgt_epi64(bound, found[0]);
    const __m256i second = _mm256_cmpgt_epi64(bound, found[1]);
    const __m256i any = _mm256_or_si256(first, second);
    if (__builtin_expect(_mm256_testz_si256(any, any), 1)) continue;
    _mm_storeu_si128(reinterpret_cast<__m128i*>(hit.distances), pack_avx2(found));
    hit.row = 8 * g, hit.next = g + 1;
    hit.mask = static_cast<uint32_t>(_mm256_movemask_pd(_mm256_castsi256_pd(first))) |
               static_cast<uint32_t>(_mm256_movemask_pd(_mm256_castsi256_pd(second))) << 4;
    return true;
  }
  return false;
}

template <size_t fixed>
HB_AVX2 void distances_avx2(const uint64_t* block, size_t groups, size_t words,
                            const uint64_t* query, uint16_t* out) {
  if (fixed) words = fixed;
  for (size_t g = 0; g < groups; ++g) {
    __m256i found[2];
    group_avx2(block + g * words * 8, words, query, found);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 8 * g), pack_avx2(found));
  }
}

// The usual widths get a kernel whose inner loop has a fixed length.
HB_AVX512 void lay_out_avx512_by_width(const uint8_t* data, size_t groups, size_t width,
                                       uint64_t* block) {
  const auto kernel = width <= 8    ? lay_out_avx512<1>
                      : width <= 16 ? lay_out_avx512<2>
                      : width <= 32 && width > 24 ? lay_out_avx512<4>
                                    : lay_out_avx512<0>;
  kernel(data, groups, width, block);
}

#define HB_NEXT_HIT(name)                                                                       \
  bool name##_by_width(const uint64_t* block, size_t g, size_t groups, size_t words,            \
                       const uint64_t* query, uint32_t bound, Hit& hit) {                       \
    const auto kernel = words == 1   ? name<1>                                                  \
                        : words == 2 ? name<2>                                                  \
                        : words == 4 ? name<4>                                                  \
                                     : name<0>;                                                 \
    return kernel(block, g, groups, words, query, bound, hit);                                  \
  }
#define HB_DISTANCES(name)                                                                      \
  void name##_by_width(const uint64_t* block, size_t groups, size_t words,                      \
                       const uint64_t* query, uint16_t* out) {                                  \
    const auto kernel = words == 1   ? name<1>                                                  \
                        : words == 2 ? name<2>                                                  \
                        : words == 4 ? name<4>                                                  \
                                     : name<0>;                                                 \
    kernel(block, groups, words, query, out);                                                   \
  }
HB_NEXT_HIT(next_hit_avx512)
HB_NEXT_HIT(next_hit_avx2)
HB_DISTANCES(distances_avx512)
HB_DISTANCES(distances_avx2)
#endif

const std::vector<Level>& levels() {
  static const std::vector<Level> all = [] {
    std::vector<Level> found;  // slowest first
    found.push_back({"portable", lay_out_portable, next_hit_groups<group_portable>, nullptr, distances_groups<group_portable>,
                     score_whole, true});
#if HB_NEON
    found.push_back({"neon", lay_out_portable, next_hit_groups<group_neon>, nullptr, distances_groups<group_neon>, score_whole,
                     true});
#endif
#if HB_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2"))
      found.push_back(
          {"avx2", lay_out_portable, next_hit_avx2_by_width, nullptr, distances_avx2_by_width, score_whole, true});
    if (__builtin_cpu_supports("avx512vpopcntdq") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
      found.push_back(
          {"avx512", lay_out_avx512_by_width, next_hit_avx512_by_width, next_hit_rows_avx512_by_width, distances_avx512_by_width, score_avx512, false});
#endif
    return found;
  }();
  return all;
}

const Level*& level() {
  static const Level* chosen = &levels().back();
  return chosen;
}

// ------------------------------------------------------------------ rows, blocks and threads

struct Codes {
  const uint8_t* data;
  size_t rows, width;  // width in bytes
  size_t words() const { return (width + 7) / 8; }
  size_t block_rows() const { return std::max<size_t>(64, block_bytes / (8 * words()) / 64 * 64); }
};

// Rows [begin, end) as a block; `space` holds it where the codes cannot be used as they are.
const uint64_t* read_block(const Codes& codes, size_t begin, size_t end,
                           std::vector<uint64_t>& space) {
  const size_t words = codes.words(), count = end - begin, whole = count / 8;
  const uint8_t* data = codes.data + begin * codes.width;
  if (codes.width == 8 && count % 8 == 0) return reinterpret_cast<const uint64_t*>(data);
  space.resize((whole + 1) * 8 * words);
  level()->lay_out(data, whole, codes.width, space.data());
  for (size_t i = 8 * whole; i < count; ++i)
    for (size_t w = 0; w < words; ++w)
      space[(whole * words + w) * 8 + i % 8] = word_of(data + i * codes.width, codes.width, w);
  return space.data();
}

std::vector<uint64_t> query_words(const Codes& queries) {
  const size_t words = queries.words();
  std::vector<uint64_t> found(queries.rows * words);
  for (size_t i = 0; i < queries.rows; ++i)
    for (size_t w = 0; w < words; ++w)
      found[i * words + w] = word_of(queries.data + i * queries.width, queries.width, w);
  return found;
}

template <class Work>  // work(task) for each task, on up to `threads` threads
void parallel(size_t tasks, size_t threads, const Work& work) {
  threads = std::min(threads, tasks);
  if (threads <= 1) {
    for (size_t task = 0; task < tasks; ++task) work(task);
    return;
  }
  std::atomic<size_t> next{0};
  std::exception_ptr error;
  std::mutex guard;
  const auto run = [&] {
    try {
      for (size_t task; (task = next++) < tasks;) work(task);
    } catch (...) {
      const std::lock_guard<std::mutex> lock(guard);
      error = std::current_exception();
      next = tasks;
    }
  };
  std::vector<std::thread> pool;
  try {
    for (size_t i = 1; i < threads; ++i) pool.emplace_back(run);
  } catch (const std::system_error&) {  // no more threads to be had: go on with those there are
  }
  run();
  for (auto& thread : pool) thread.join();
  if (error) std::rethrow_exception(error);
}

// Many queries are shared out among the threads; for few, the database is cut into slices.
struct Plan {
  size_t queries, rows, threads, slices, tile, tiles;
  Plan(size_t n_queries, size_t n_rows, size_t words, size_t wanted)
      : queries(n_queries), rows(n_rows), threads(wanted) {
    if (n_queries * n_rows * words < (1u << 18)) threads = 1;  // not worth starting a thread
    slices = n_queries >= 4 * threads ? 1 : std::max<size_t>(1, std::min(threads, n_rows / 4096));
    const size_t share = (n_queries + threads - 1) / threads;
    tile = slices > 1 ? std::max<size_t>(1, n_queries)
                      : std::max<size_t>(1, std::min<size_t>(128, (share + 3) / 4));
    tiles = (n_queries + tile - 1) / tile;
  }
  template <class Work>  // work(slice, first row, last row, first query, last query)
  void run(const Work& work) const {
    parallel(tiles * slices, threads, [&](size_t task) {
      const size_t slice = task % slices, from = task / slices * tile;
      const size_t begin = rows * slice / slices / 8 * 8;
      const size_t end = slice + 1 == slices ? rows : rows * (slice + 1) / slices / 8 * 8;
      work(slice, begin, end, from, std::min(queries, from + tile));
    });
  }
};

// ------------------------------------------------------------------ nearest and within

// A found row and its distance in one word; rows come in ascending order.
inline uint64_t entry(size_t row, uint32_t distance) { return row << 16 | distance; }
inline uint32_t distance_of(uint64_t e) { return static_cast<uint32_t>(e & 0xffff); }
using Found = std::vector<uint64_t>;

// Counting select. Once k rows with distance <= b are known, later rows must be nearer than b,
// because among equals the earlier row wins. So the bound only falls, and never needs a heap.
struct Nearest {
  size_t k, below = 0;  // `below` rows are nearer than the bound
  uint32_t bound;
  std::vector<uint32_t> counts;
  Found found;
  Nearest(size_t k_, uint32_t farthest) : k(k_), bound(farthest + 1), counts(farthest + 1) {}

  void add(size_t row, uint32_t distance) {
    if (found.size() >= 2 * k + 64) compact();
    found.push_back(entry(row, distance));
    ++counts[distance];
    ++below;
    while (below >= k) below -= counts[--bound];
  }
  void compact() {  // in place and in order: the nearer rows, and the first of those at the bound
    size_t ties = k - below, kept = 0;
    for (const uint64_t e : found) {
      const uint32_t d = distance_of(e);
      if (d < bound || (d == bound && ties && ties--)) found[kept++] = e;
    }
    found.resize(kept);
  }
};

struct Within {
  uint32_t bound;
  Found found;
  void add(size_t row, uint32_t distance) { found.push_back(entry(row, distance)); }
};

template <class State, class NextHit>  // next_hit(group, bound, hit); rows [first, end)
void collect(State& state, size_t first, size_t end, const NextHit& next_hit) {
  Hit hit;
  while (next_hit(hit.next, state.bound, hit)) {
    size_t row = first + hit.row;
    for (uint32_t mask = hit.mask; mask; mask >>= 1, ++row)
      if (mask & 1 && row < end && hit.distances[row - first - hit.row] < state.bound)
        state.add(row, hit.distances[row - first - hit.row]);
  }
}

template <class State>
void scan(const Codes& database, size_t begin, size_t end, const uint64_t* queries,
          State* states, size_t n_queries) {
  const size_t words = database.words(), step = database.block_rows();
  const Level& use = *level();
  if (n_queries == 1 && words > 1 && use.next_hit_rows) {
    const uint8_t* data = database.data + begin * database.width;
    const size_t groups = (end - begin) / 8;
    collect(*states, begin, end, [&](size_t g, uint32_t bound, Hit& hit) {
      return use.next_hit_rows(data, g, groups, database.width, queries, bound, hit);
    });
    begin += 8 * groups;
  }
  std::vector<uint64_t> space;
  for (size_t start = begin; start < end; start += step) {
    const size_t stop = std::min(end, start + step), groups = (stop - start + 7) / 8;
    const uint64_t* block = read_block(database, start, stop, space);
    for (size_t q = 0; q < n_queries; ++q)
      collect(states[q], start, stop, [&](size_t g, uint32_t bound, Hit& hit) {
        return use.next_hit(block, g, groups, words, queries + q * words, bound, hit);
      });
  }
}

// Stable counting sort of the parts by distance; the first `limit` go out.
void order(const Found* parts, size_t n_parts, size_t stride, size_t farthest, size_t limit,
           int64_t* rows, uint16_t* distances) {
  std::vector<size_t> places(farthest + 2);
  for (size_t p = 0; p < n_parts; ++p)
    for (const uint64_t e : parts[p * stride]) ++places[distance_of(e) + 1];
  for (size_t d = 1; d < places.size(); ++d) places[d] += places[d - 1];
  for (size_t p = 0; p < n_parts; ++p)
    for (const uint64_t e : parts[p * stride]) {
      const size_t place = places[distance_of(e)]++;
      if (place >= limit) continue;
      rows[place] = static_cast<int64_t>(e >> 16);
      distances[place] = static_cast<uint16_t>(distance_of(e));
    }
}

template <class State>  // found[slice * n_queries + query], each in ascending order of rows
std::vector<Found> search(const Codes& queries, const Codes& database, const Plan& plan,
                          const State& fresh) {
  const auto words = query_words(queries);
  std::vector<Found> found(plan.slices * queries.rows);
  plan.run([&](size_t slice, size_t begin, size_t end, size_t from, size_t to) {
    std::vector<State> states(to - from, fresh);
    scan(database, begin, end, words.data() + from * database.words(), states.data(), to - from);
    for (size_t q = from; q < to; ++q)
      found[slice * queries.rows + q] = std::move(states[q - from].found);
  });
  return found;
}

// ------------------------------------------------------------------ histograms

void count_block(const uint16_t* bins, size_t n, uint32_t* counts, size_t size) {
  // Four tables, because adding to the same counter twice in a row has to wait for the first.
  uint32_t *a = counts, *b = a + size, *c = b + size, *d = c + size;
  size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    const uint64_t four = load_word(bins + i);
    ++a[four & 0xffff];
    ++b[four >> 16 & 0xffff];
    ++c[four >> 32 & 0xffff];
    ++d[four >> 48];
  }
  for (; i < n; ++i) ++a[bins[i]];
}

// Counts of one task: per query, rows by distance, those that are not relevant before those that are.
void count_rows(const Codes& database, size_t begin, size_t end, const uint64_t* queries,
                size_t n_queries, const uint8_t* relevant, uint32_t* counts, size_t half) {
  const size_t words = database.words(), step = database.block_rows(), size = 2 * half;
  std::vector<uint64_t> space;
  std::vector<uint16_t> bins(step + 8);
  for (size_t start = begin; start < end; start += step) {
    const size_t stop = std::min(end, start + step), n = stop - start;
    const uint64_t* block = read_block(database, start, stop, space);
    for (size_t q = 0; q < n_queries; ++q) {
      level()->distances(block, (n + 7) / 8, words, queries + q * words, bins.data());
      if (relevant) {
        const uint8_t* marks = relevant + q * database.rows + start;
        for (size_t i = 0; i < n; ++i)
          bins[i] = static_cast<uint16_t>(bins[i] + marks[i] * static_cast<uint16_t>(half));
      }
      count_block(bins.data(), n, counts + q * 4 * size, size);
    }
  }
}

// ------------------------------------------------------------------ asymmetric scores

// Tables of one query. The order of additions is that of twin.py, so the sums are bit-identical.
struct Tables {
  std::vector<float> halves, whole;
  Tables(const float* weights, size_t n_bits, bool whole_bytes) : halves((n_bits + 7) / 8 * 32) {
    for (size_t half = 0; half < halves.size() / 16; ++half) {
      float* table = halves.data() + half * 16;
      for (size_t value = 0; value < 16; ++value) {
        float sum = 0;
        for (size_t bit = 0; bit < 4 && half * 4 + bit < n_bits; ++bit) {
          const float weight = weights[half * 4 + bit];
          sum = value >> (3 - bit) & 1 ? sum + weight : sum - weight;
        }
        table[value] = sum;
      }
    }
    if (!whole_bytes) return;
    whole.resize(halves.size() * 8);
    for (size_t i = 0; i < whole.size(); ++i) {
      const float* table = halves.data() + i / 256 * 32;
      whole[i] = table[i >> 4 & 15] + table[16 + (i & 15)];
    }
  }
};

// Calls use(query, first row, scores, n) block by block.
template <class Use>
void score_rows(const Codes& database, size_t begin, size_t end, const float* weights,
                size_t n_queries, size_t n_bits, const Use& use) {
  const size_t width = database.width, step = database.block_rows();
  std::vector<Tables> tables;
  for (size_t q = 0; q < n_queries; ++q)
    tables.emplace_back(weights + q * n_bits, n_bits, level()->whole_bytes);
  std::vector<uint8_t> bytes((step + 15) / 16 * 16 * width);
  std::vector<float> found(step + 16);
  for (size_t start = begin; start < end; start += step) {
    const size_t n = std::min(end, start + step) - start;
    for (size_t i = 0; i < n; ++i)
      for (size_t j = 0; j < width; ++j)
        bytes[(i / 16 * width + j) * 16 + i % 16] = database.data[(start + i) * width + j];
    for (size_t q = 0; q < n_queries; ++q) {
      level()->score(bytes.data(), (n + 15) / 16, width, tables[q].halves.data(),
                     tables[q].whole.data(), found.data());
      use(q, start, found.data(), n);
    }
  }
}

struct Best {
  size_t k;
  float bound = 0;
  bool full = false;  // k rows are known, and `bound` is the smallest of their scores
  std::vector<std::pair<float, int64_t>> found;
  explicit Best(size_t k_) : k(k_) {}

  static bool better(const std::pair<float, int64_t>& a, const std::pair<float, int64_t>& b) {
    return a.first > b.first || (a.first == b.first && a.second < b.second);
  }
  void add(size_t first, const float* scores, size_t n) {
    for (size_t i = 0; i < n; i += 16) {
      const size_t stop = std::min(n, i + 16);
      if (full) {
        bool any = false;
        for (size_t j = i; j < stop; ++j) any |= scores[j] > bound;
        if (!any) continue;
      }
      for (size_t j = i; j < stop; ++j)
        if (!full || scores[j] > bound) {
          found.emplace_back(scores[j], static_cast<int64_t>(first + j));
          if (found.size() >= 2 * k + 64) compact();
        }
    }
    if (found.size() >= k && (!full || found.size() > k + k / 4 + 16)) compact();
  }
  void compact() {
    if (found.size() < k) return;
    std::nth_element(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(k - 1), found.end(),
                     better);
    found.resize(k);
    bound = found[k - 1].first;
    full = true;
  }
};

// ------------------------------------------------------------------ what Python sees

template <class T>
using In = nb::ndarray<const T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
template <class T>
using Out = nb::ndarray<nb::numpy, T>;

template <class T>  // a NumPy array that owns uninitialised memory
Out<T> empty(std::initializer_list<size_t> shape) {
  size_t size = 1;
  for (const size_t n : shape) size *= n;
  T* data = new T[std::max<size_t>(1, size)];
  nb::capsule owner(data, [](void* p) noexcept { delete[] static_cast<T*>(p); });
  return Out<T>(data, shape, owner);
}

Codes codes_of(const In<uint8_t>& array) {
  return {array.data(), array.shape(0), array.shape(1)};
}

auto nearest(In<uint8_t> queries_, In<uint8_t> database_, size_t k, size_t threads) {
  const Codes queries = codes_of(queries_), database = codes_of(database_);
  auto rows = empty<int64_t>({queries.rows, k});
  auto distances = empty<uint16_t>({queries.rows, k});
  {
    const nb::gil_scoped_release release;
    const size_t farthest = 8 * queries.width;
    const Plan plan(queries.rows, database.rows, database.words(), threads);
    const auto found = search(queries, database, plan, Nearest(k, static_cast<uint32_t>(farthest)));
    for (size_t q = 0; q < queries.rows; ++q)
      order(&found[q], plan.slices, queries.rows, farthest, k, rows.data() + q * k,
            distances.data() + q * k);
  }
  return std::make_pair(rows, distances);
}

auto within(In<uint8_t> queries_, In<uint8_t> database_, uint32_t radius, size_t threads) {
  const Codes queries = codes_of(queries_), database = codes_of(database_);
  const Plan plan(queries.rows, database.rows, database.words(), threads);
  auto offsets = empty<int64_t>({queries.rows + 1});
  std::vector<Found> found;
  {
    const nb::gil_scoped_release release;
    found = search(queries, database, plan, Within{radius + 1, {}});
    offsets.data()[0] = 0;
    for (size_t q = 0; q < queries.rows; ++q) {
      size_t hits = 0;
      for (size_t s = 0; s < plan.slices; ++s) hits += found[s * queries.rows + q].size();
      offsets.data()[q + 1] = offsets.data()[q] + static_cast<int64_t>(hits);
    }
  }
  const auto total = static_cast<size_t>(offsets.data()[queries.rows]);
  auto rows = empty<int64_t>({total});
  auto distances = empty<uint16_t>({total});
  {
    const nb::gil_scoped_release release;
    parallel(queries.rows, plan.threads, [&](size_t q) {
      const int64_t start = offsets.data()[q];
      order(&found[q], plan.slices, queries.rows, 8 * queries.width, total, rows.data() + start,
            distances.data() + start);
    });
  }
  return std::make_tuple(offsets, rows, distances);
}

auto histograms(In<uint8_t> queries_, In<uint8_t> database_, size_t n_bits,
                std::optional<In<bool>> relevant, size_t threads) {
  const Codes queries = codes_of(queries_), database = codes_of(database_);
  const size_t half = 8 * queries.width + 1, bins = n_bits + 1;
  auto everything = empty<uint32_t>({queries.rows, bins});
  auto some = empty<uint32_t>({relevant ? queries.rows : 0, bins});
  {
    const nb::gil_scoped_release release;
    const auto* marks = relevant ? reinterpret_cast<const uint8_t*>(relevant->data()) : nullptr;
    const auto words = query_words(queries);
    const Plan plan(queries.rows, database.rows, database.words(), threads);
    std::fill_n(everything.data(), queries.rows * bins, 0u);
    if (marks) std::fill_n(some.data(), queries.rows * bins, 0u);
    std::mutex guard;
    plan.run([&](size_t, size_t begin, size_t end, size_t from, size_t to) {
      std::vector<uint32_t> counts((to - from) * 8 * half);
      count_rows(database, begin, end, words.data() + from * database.words(), to - from,
                 marks ? marks + from * database.rows : nullptr, counts.data(), half);
      const std::lock_guard<std::mutex> lock(guard);
      for (size_t q = from; q < to; ++q)
        for (size_t table = 0; table < 8; ++table) {
          const uint32_t* from_table = counts.data() + ((q - from) * 8 + table) * half;
          for (size_t d = 0; d < bins; ++d) {
            everything.data()[q * bins + d] += from_table[d];
            if (marks && table % 2) some.data()[q * bins + d] += from_table[d];
          }
        }
    });
  }
  return std::make_pair(nb::cast(everything), relevant ? nb::cast(some) : nb::none());
}

auto scores(In<float> weights, In<uint8_t> database_, size_t n_bits, size_t threads) {
  const Codes database = codes_of(database_);
  const size_t n_queries = weights.shape(0);
  auto out = empty<float>({n_queries, database.rows});
  {
    const nb::gil_scoped_release release;
    const Plan plan(n_queries, database.rows, database.width, threads);
    plan.run([&](size_t, size_t begin, size_t end, size_t from, size_t to) {
      score_rows(database, begin, end, weights.data() + from * n_bits, to - from, n_bits,
                 [&](size_t q, size_t first, const float* found, size_t n) {
                   std::memcpy(out.data() + (from + q) * database.rows + first, found,
                               n * sizeof(float));
                 });
    });
  }
  return out;
}

auto best(In<float> weights, In<uint8_t> database_, size_t n_bits, size_t k, size_t threads) {
  const Codes database = codes_of(database_);
  const size_t n_queries = weights.shape(0);
  auto rows = empty<int64_t>({n_queries, k});
  auto out = empty<float>({n_queries, k});
  {
    const nb::gil_scoped_release release;
    const Plan plan(n_queries, database.rows, database.width, threads);
    std::vector<Best> states(plan.slices * n_queries, Best(k));
    plan.run([&](size_t slice, size_t begin, size_t end, size_t from, size_t to) {
      Best* here = states.data() + slice * n_queries + from;
      score_rows(database, begin, end, weights.data() + from * n_bits, to - from, n_bits,
                 [&](size_t q, size_t first, const float* found, size_t n) {
                   here[q].add(first, found, n);
                 });
    });
    parallel(n_queries, plan.threads, [&](size_t q) {
      std::vector<std::pair<float, int64_t>> all;
      for (size_t s = 0; s < plan.slices; ++s) {
        const auto& part = states[s * n_queries + q].found;
        all.insert(all.end(), part.begin(), part.end());
      }
      std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(k), all.end(),
                        Best::better);
      for (size_t i = 0; i < k; ++i) {
        out.data()[q * k + i] = all[i].first;
        rows.data()[q * k + i] = all[i].second;
      }
    });
  }
  return std::make_pair(rows, out);
}

}  // namespace

NB_MODULE(_native, m) {
  m.def("nearest", &nearest);
  m.def("within", &within);
  m.def("histograms", &histograms, nb::arg(), nb::arg(), nb::arg(), nb::arg().none(), nb::arg());
  m.def("scores", &scores);
  m.def("best", &best);
  m.def("levels", [] {
    std::vector<std::string> names;
    for (const Level& one : levels()) names.emplace_back(one.name);
    return names;
  });
  m.def("level", [] { return std::string(level()->name); });
  m.def("set_level", [](const std::string& name) {
    for (const Level& one : levels())
      if (one.name == name) {
        level() = &one;
        return;
      }
    throw std::invalid_argument("no such level: " + name);
  });
}
