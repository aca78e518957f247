// AVX-512 (with VPOPCNTDQ) and AVX2. Only functions marked so are compiled for these instructions.
#pragma once

#include <immintrin.h>

#define HB_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq")))
#define HB_AVX512_VBMI __attribute__((target("avx512f,avx512bw,avx512vbmi")))
#define HB_AVX2 __attribute__((target("avx2")))
#define HB_POPCNT __attribute__((target("popcnt")))

namespace hammingbird {

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

inline bool next_hit_rows_avx512_by_width(const uint8_t* data, size_t g, size_t groups, size_t width,
                                   const uint64_t* query, uint32_t bound, Hit& hit) {
  if (width == 8)  // rows of one word lie in memory as they do in a block
    return next_hit_avx512<1>(reinterpret_cast<const uint64_t*>(data), g, groups, 1, query, bound,
                              hit);
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

HB_POPCNT inline size_t near_popcnt(const uint8_t* data, size_t n, size_t width,
                                    const uint64_t* query, uint32_t bound, uint16_t* rows) {
  size_t found = 0;
  for (size_t i = 0; i < n; ++i, data += width) {
    uint64_t distance = 0;
    for (size_t w = 0; 8 * w < width; ++w)
      distance += static_cast<uint64_t>(__builtin_popcountll(word_of(data, width, w) ^ query[w]));
    rows[found] = static_cast<uint16_t>(i);
    found += distance <= bound;
  }
  return found;
}

HB_AVX512 inline size_t near_avx512(const uint8_t* data, size_t n, size_t width,
                                    const uint64_t* query, uint32_t bound, uint16_t* rows) {
  if (width != 8) return near_popcnt(data, n, width, query, bound, rows);
  const __m512i q = _mm512_set1_epi64(static_cast<long long>(*query));
  const __m512i most = _mm512_set1_epi64(bound);
  size_t found = 0;
  for (size_t i = 0; i < n; i += 8) {
    const __mmask8 there = static_cast<__mmask8>(n - i < 8 ? (1u << (n - i)) - 1 : 0xffu);
    const __m512i codes = _mm512_maskz_loadu_epi64(there, data + 8 * i);
    const __m512i apart = _mm512_popcnt_epi64(_mm512_xor_si512(codes, q));
    for (uint32_t mask = _mm512_mask_cmple_epu64_mask(there, apart, most); mask; mask &= mask - 1)
      rows[found++] = static_cast<uint16_t>(i + lowest_one(mask));
  }
  return found;
}

HB_AVX512 inline void score_avx512(const uint8_t* bytes, size_t groups, size_t width,
                                   const float* halves, const float*, float* out) {
  for (size_t g = 0; g < groups; ++g, bytes += 64 * width, out += 64) {
    __m512 sums[4];
    for (size_t s = 0; s < 4; ++s) sums[s] = _mm512_setzero_ps();
    for (size_t j = 0; j < width; ++j) {
      const __m512 high = _mm512_loadu_ps(halves + j * 32);
      const __m512 low = _mm512_loadu_ps(halves + j * 32 + 16);
      for (size_t s = 0; s < 4; ++s) {
        const auto* address = reinterpret_cast<const __m128i*>(bytes + j * 64 + s * 16);
        const __m512i values = _mm512_cvtepu8_epi32(_mm_loadu_si128(address));
        // The permutation reads the low four bits of each value only.
        const __m512 first = _mm512_permutexvar_ps(_mm512_srli_epi32(values, 4), high);
        const __m512 second = _mm512_permutexvar_ps(values, low);
        sums[s] = _mm512_add_ps(sums[s], _mm512_add_ps(first, second));
      }
    }
    for (size_t s = 0; s < 4; ++s) _mm512_storeu_ps(out + s * 16, sums[s]);
  }
}

HB_AVX512 inline void promising_avx512(const uint8_t* bytes, size_t groups, size_t width,
                                       const uint8_t* losses, uint64_t* masks) {
  const __m512i low = _mm512_set1_epi8(15), all = _mm512_set1_epi8(-1);
  for (size_t g = 0; g < groups; ++g, bytes += 64 * width) {
    __m512i sums[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    for (size_t j = 0; j < width; ++j) {
      const auto* tables = reinterpret_cast<const __m128i*>(losses + j * 32);
      const __m512i values = _mm512_loadu_si512(bytes + j * 64);
      const __m512i first = _mm512_and_si512(_mm512_srli_epi16(values, 4), low);
      const __m512i second = _mm512_and_si512(values, low);
      sums[0] = _mm512_adds_epu8(
          sums[0],
          _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128(tables)), first));
      sums[1] = _mm512_adds_epu8(
          sums[1],
          _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128(tables + 1)), second));
    }
    masks[g] = _mm512_cmpneq_epu8_mask(_mm512_adds_epu8(sums[0], sums[1]), all);
  }
}

// A table of 256 bytes is four registers: two permutations look into a half each, the top bit of a
// value says which half counts.
template <size_t stretch>  // groups that share the loads of a table
HB_AVX512_VBMI __attribute__((always_inline)) inline void stretch_whole_avx512(
    const uint8_t* bytes, size_t width, const uint8_t* losses, uint64_t* masks) {
  __m512i sums[stretch];
  for (size_t s = 0; s < stretch; ++s) sums[s] = _mm512_setzero_si512();
  for (size_t j = 0; j < width; ++j) {
    const uint8_t* table = losses + j * 256;
    const __m512i a = _mm512_loadu_si512(table), b = _mm512_loadu_si512(table + 64);
    const __m512i c = _mm512_loadu_si512(table + 128), d = _mm512_loadu_si512(table + 192);
    for (size_t s = 0; s < stretch; ++s) {
      const __m512i values = _mm512_loadu_si512(bytes + (s * width + j) * 64);
      const __m512i lower = _mm512_permutex2var_epi8(a, values, b);
      const __m512i upper = _mm512_permutex2var_epi8(c, values, d);
      const __m512i lost = _mm512_mask_blend_epi8(_mm512_movepi8_mask(values), lower, upper);
      sums[s] = _mm512_adds_epu8(sums[s], lost);
    }
  }
  const __m512i all = _mm512_set1_epi8(-1);
  for (size_t s = 0; s < stretch; ++s) masks[s] = _mm512_cmpneq_epu8_mask(sums[s], all);
}

HB_AVX512_VBMI inline void promising_whole_avx512(const uint8_t* bytes, size_t groups, size_t width,
                                                  const uint8_t* losses, uint64_t* masks) {
  size_t g = 0;
  for (; g + 8 <= groups; g += 8)
    stretch_whole_avx512<8>(bytes + g * width * 64, width, losses, masks + g);
  for (; g < groups; ++g)
    stretch_whole_avx512<1>(bytes + g * width * 64, width, losses, masks + g);
}

HB_AVX2 inline void promising_avx2(const uint8_t* bytes, size_t groups, size_t width,
                                   const uint8_t* losses, uint64_t* masks) {
  const __m256i low = _mm256_set1_epi8(15), all = _mm256_set1_epi8(-1);
  for (size_t g = 0; g < groups; ++g, bytes += 64 * width) {
    __m256i sums[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    for (size_t j = 0; j < width; ++j) {
      const auto* tables = reinterpret_cast<const __m128i*>(losses + j * 32);
      const __m256i high_table = _mm256_broadcastsi128_si256(_mm_loadu_si128(tables));
      const __m256i low_table = _mm256_broadcastsi128_si256(_mm_loadu_si128(tables + 1));
      for (size_t s = 0; s < 2; ++s) {
        const __m256i values =
            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes + j * 64 + s * 32));
        const __m256i first = _mm256_and_si256(_mm256_srli_epi16(values, 4), low);
        const __m256i second = _mm256_and_si256(values, low);
        sums[s] = _mm256_adds_epu8(sums[s], _mm256_shuffle_epi8(high_table, first));
        sums[s] = _mm256_adds_epu8(sums[s], _mm256_shuffle_epi8(low_table, second));
      }
    }
    uint64_t mask = 0;
    for (size_t s = 0; s < 2; ++s) {
      const int full = _mm256_movemask_epi8(_mm256_cmpeq_epi8(sums[s], all));
      mask |= static_cast<uint64_t>(~static_cast<uint32_t>(full)) << (32 * s);
    }
    masks[g] = mask;
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
inline void lay_out_avx512_by_width(const uint8_t* data, size_t groups, size_t width,
                                       uint64_t* block) {
  const auto kernel = width <= 8    ? lay_out_avx512<1>
                      : width <= 16 ? lay_out_avx512<2>
                      : width <= 32 && width > 24 ? lay_out_avx512<4>
                                    : lay_out_avx512<0>;
  kernel(data, groups, width, block);
}

HB_AVX2 inline void descend_avx2(const Descent& what, const float* costs, uint8_t* codes, size_t n,
                                 float* sums, float* apart) {
  descend_portable(what, costs, codes, n, sums, apart);
}

HB_AVX512 inline void descend_avx512(const Descent& what, const float* costs, uint8_t* codes,
                                     size_t n, float* sums, float* apart) {
  descend_portable(what, costs, codes, n, sums, apart);
}

#define HB_NEXT_HIT(name)                                                                       \
  inline bool name##_by_width(const uint64_t* block, size_t g, size_t groups, size_t words,            \
                       const uint64_t* query, uint32_t bound, Hit& hit) {                       \
    const auto kernel = words == 1   ? name<1>                                                  \
                        : words == 2 ? name<2>                                                  \
                        : words == 4 ? name<4>                                                  \
                                     : name<0>;                                                 \
    return kernel(block, g, groups, words, query, bound, hit);                                  \
  }
#define HB_DISTANCES(name)                                                                      \
  inline void name##_by_width(const uint64_t* block, size_t groups, size_t words,                      \
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

}  // namespace hammingbird
