// Multi-index hashing (Norouzi, Punjani, Fleet, "Fast Search in Hamming Space with Multi-Index
// Hashing", CVPR 2012): a code is cut into substrings, and each has a table of buckets. Two codes at
// most a * m + t bits apart agree up to a bits in one of the substrings 0..t, or up to a - 1 bits in
// another, so that few buckets hold all near codes, and none is missed.
//
// A bucket holds whole codes side by side, so that it is read as fast as memory gives it. Table 0 has
// every row, in the order of codes, and knows their numbers; the others have every different code
// once, and find its rows in table 0.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "levels.h"

#if defined(__GNUC__) || defined(__clang__)
#define HB_PREFETCH(address) __builtin_prefetch(address)
#else
#define HB_PREFETCH(address) static_cast<void>(address)
#endif

namespace hammingbird {

constexpr uint64_t bucket_cost = 48;  // what looking into a bucket costs, in codes compared

struct Buckets {
  const uint8_t* codes;     // of all tables, one after the other
  const uint32_t* offsets;  // 2^length + 1 per table: where its buckets begin in `codes`
  const int64_t* bits;      // tables + 1: where the substrings begin
  const uint32_t* rows;     // of table 0
  const bool* gone;         // per row, or null
  size_t width, tables, n;

  size_t length(size_t t) const { return static_cast<size_t>(bits[t + 1] - bits[t]); }
  // Substring t of a code as a number, its first bit the highest.
  uint32_t key(const uint8_t* code, size_t t) const {
    const size_t from = static_cast<size_t>(bits[t]), to = static_cast<size_t>(bits[t + 1]);
    uint64_t value = 0;
    for (size_t byte = from / 8; byte <= (to - 1) / 8; ++byte) value = value << 8 | code[byte];
    value >>= 7 - (to - 1) % 8;
    return static_cast<uint32_t>(value & ((uint64_t{1} << (to - from)) - 1));
  }
};

// Numbers of `length` bits with `ones` ones, ascending.
class Flips {
 public:
  Flips(size_t length, size_t ones)
      : next_((uint64_t{1} << ones) - 1), end_(uint64_t{1} << length) {}
  bool more() const { return next_ < end_; }
  uint32_t take() {
    const uint64_t flips = next_;
    if (!flips) {
      next_ = end_;
    } else {
      const uint64_t low = flips & (0 - flips), sum = flips + low;
      next_ = sum | ((flips ^ sum) >> (2 + lowest_one(low)));
    }
    return static_cast<uint32_t>(flips);
  }

 private:
  uint64_t next_, end_;
};

inline uint64_t choose(uint64_t n, uint64_t k) {
  uint64_t found = 1;
  for (uint64_t i = 1; i <= k; ++i) found = found * (n - k + i) / i;
  return found;
}

// The k smallest of (distance, row), largest on top once there are k.
struct NearestFound {
  size_t k;
  uint32_t bound;  // what is farther has no chance
  std::vector<uint64_t> heap;
  NearestFound(size_t k_, uint32_t farthest) : k(k_), bound(farthest) {}
  void add(uint32_t row, uint32_t distance) {
    const uint64_t key = static_cast<uint64_t>(distance) << 32 | row;
    if (heap.size() == k) {
      if (key >= heap.front()) return;
      std::pop_heap(heap.begin(), heap.end());
      heap.back() = key;
    } else {
      heap.push_back(key);
    }
    std::push_heap(heap.begin(), heap.end());
    if (heap.size() == k) bound = static_cast<uint32_t>(heap.front() >> 32);
  }
  // Whether nothing that is farther than `radius` can come in.
  bool complete(size_t radius) const { return heap.size() == k && bound <= radius; }
  std::vector<uint64_t>& found() { return heap; }
};

struct WithinFound {
  uint32_t bound;
  std::vector<uint64_t> all;
  void add(uint32_t row, uint32_t distance) {
    all.push_back(static_cast<uint64_t>(distance) << 32 | row);
  }
  bool complete(size_t radius) const { return radius >= bound; }
  std::vector<uint64_t>& found() { return all; }
};

template <class Found>
class Probe {
 public:
  Probe(const Buckets& buckets, const uint8_t* query, Found& found)
      : b_(buckets), found_(found), words_((buckets.width + 7) / 8) {
    for (size_t w = 0; w < words_.size(); ++w) words_[w] = word_of(query, b_.width, w);
    size_t first = 0;
    for (size_t t = 0; t < b_.tables; ++t) {
      keys_.push_back(b_.key(query, t));
      offsets_.push_back(b_.offsets + first);
      first += (size_t{1} << b_.length(t)) + 1;
    }
  }

  // Looks into nearer buckets first, until nothing can be missing; false if that would take more
  // than `budget` codes compared.
  bool run(uint64_t budget) {
    for (size_t radius = 0;; ++radius) {
      bool left = false;
      for (size_t t = 0; t < b_.tables; ++t) {
        const size_t length = b_.length(t);
        if (radius <= length) {
          left = true;
          const uint64_t each = bucket_cost + (b_.n >> length);
          if (spent + choose(length, radius) * each > budget) return false;
          look(t, radius);
        }
        if (found_.complete(radius * b_.tables + t)) return true;
      }
      if (!left) return true;
    }
  }

  uint64_t spent = 0;

 private:
  static constexpr size_t at_once = 16;

  void look(size_t t, size_t radius) {
    Flips flips(b_.length(t), radius);
    uint32_t keys[at_once];
    while (flips.more()) {
      size_t count = 0;
      for (; count < at_once && flips.more(); ++count) {
        keys[count] = keys_[t] ^ flips.take();
        HB_PREFETCH(offsets_[t] + keys[count]);
      }
      for (size_t i = 0; i < count; ++i) {
        const uint8_t* bucket = b_.codes + offsets_[t][keys[i]] * b_.width;
        HB_PREFETCH(bucket);
        HB_PREFETCH(bucket + 64);
      }
      for (size_t i = 0; i < count; ++i) {
        const uint32_t begin = offsets_[t][keys[i]], end = offsets_[t][keys[i] + 1];
        spent += bucket_cost + (end - begin);
        compare(t, radius, begin, end);
      }
    }
  }

  void compare(size_t t, size_t radius, size_t begin, size_t end) {
    uint16_t near[256];
    for (size_t start = begin; start < end; start += 256) {
      const size_t count = std::min<size_t>(256, end - start);
      const size_t hits = level()->near(b_.codes + start * b_.width, count, b_.width,
                                        words_.data(), found_.bound, near);
      for (size_t i = 0; i < hits; ++i) take(t, radius, start + near[i]);
    }
  }

  void take(size_t t, size_t radius, size_t place) {
    const uint8_t* code = b_.codes + place * b_.width;
    uint64_t distance = 0;
    for (size_t w = 0; w < words_.size(); ++w)
      distance += count_ones(word_of(code, b_.width, w) ^ words_[w]);
    if (distance > found_.bound || came_before(code, t, radius)) return;
    if (t == 0) return add(b_.rows[place], distance);
    const uint32_t key = b_.key(code, 0);
    size_t low = offsets_[0][key], high = offsets_[0][key + 1];
    const size_t end = high;
    while (low < high) {
      const size_t middle = (low + high) / 2;
      if (std::memcmp(b_.codes + middle * b_.width, code, b_.width) < 0) low = middle + 1;
      else high = middle;
    }
    for (; low < end && !std::memcmp(b_.codes + low * b_.width, code, b_.width); ++low)
      add(b_.rows[low], distance);
  }

  void add(uint32_t row, uint64_t distance) {
    if (!b_.gone || !b_.gone[row]) found_.add(row, static_cast<uint32_t>(distance));
  }

  // Whether a bucket of an earlier look holds the code too.
  bool came_before(const uint8_t* code, size_t t, size_t radius) const {
    for (size_t other = 0; other < b_.tables; ++other) {
      if (other == t) continue;
      const uint64_t apart = count_ones(b_.key(code, other) ^ keys_[other]);
      if (apart < radius || (apart == radius && other < t)) return true;
    }
    return false;
  }

  const Buckets& b_;
  Found& found_;
  std::vector<uint64_t> words_;
  std::vector<uint32_t> keys_;
  std::vector<const uint32_t*> offsets_;
};

}  // namespace hammingbird
