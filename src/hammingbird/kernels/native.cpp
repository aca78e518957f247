// Hamming kernels: exact counting select, radius search, distance histograms, asymmetric scores.
//
// Rows are read in blocks that fit the first-level cache. A block is laid out for vectors: groups of
// 8 rows, word after word, 8 rows side by side (block[(group * words + word) * 8 + row]); the last
// word of a row is filled with zero bytes. A block serves all queries of a task before the next one
// is read. What depends on the instruction set is in levels.h; twin.py defines all results.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <exception>
#include <limits>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "buckets.h"
#include "levels.h"

namespace nb = nanobind;

namespace {

using namespace hammingbird;

constexpr size_t block_bytes = 16 << 10;  // half of a usual first-level cache

// ------------------------------------------------------------------ rows, blocks and threads

struct Codes {
  const uint8_t* data;
  size_t rows, width;  // width in bytes
  size_t words() const { return (width + 7) / 8; }
  size_t block_rows() const { return std::max<size_t>(64, block_bytes / (8 * words()) / 64 * 64); }
};

// Vectors that cross cache lines load at half the speed, so blocks start on one.
struct alignas(64) Line {
  uint64_t words[8];
};
using Space = std::vector<Line>;

// Rows [begin, end) as a block; `space` holds it where the codes cannot be used as they are.
const uint64_t* read_block(const Codes& codes, size_t begin, size_t end, Space& space) {
  const size_t words = codes.words(), count = end - begin, whole = count / 8;
  const uint8_t* data = codes.data + begin * codes.width;
  if (codes.width == 8 && count % 8 == 0 && reinterpret_cast<uintptr_t>(data) % 64 == 0)
    return reinterpret_cast<const uint64_t*>(data);
  space.resize((whole + 1) * words);
  uint64_t* block = space.data()->words;
  level()->lay_out(data, whole, codes.width, block);
  for (size_t i = 8 * whole; i < count; ++i)
    for (size_t w = 0; w < words; ++w)
      block[(whole * words + w) * 8 + i % 8] = word_of(data + i * codes.width, codes.width, w);
  return block;
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
  while (next_hit(hit.next, state.bound, hit))
    for (uint32_t mask = hit.mask; mask; mask &= mask - 1) {
      const size_t i = lowest_one(mask), row = first + hit.row + i;
      if (row < end && hit.distances[i] < state.bound) state.add(row, hit.distances[i]);
    }
}

template <class State>
void scan(const Codes& database, size_t begin, size_t end, const uint64_t* queries,
          State* states, size_t n_queries) {
  const size_t words = database.words(), step = database.block_rows();
  const Level& use = *level();
  if (n_queries == 1 && use.next_hit_rows) {
    const uint8_t* data = database.data + begin * database.width;
    const size_t groups = (end - begin) / 8;
    collect(*states, begin, end, [&](size_t g, uint32_t bound, Hit& hit) {
      return use.next_hit_rows(data, g, groups, database.width, queries, bound, hit);
    });
    begin += 8 * groups;
  }
  Space space;
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
  Space space;
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

// Without a bound to begin with, many more than k rows are kept for a while. So a few blocks are
// counted first, and the bound is set where, by them, somewhat more than k rows are nearer.
void foresee(const Codes& database, size_t begin, size_t end, const uint64_t* queries,
             Nearest* states, size_t n_queries) {
  const size_t step = database.block_rows(), every = std::min<size_t>(64, states->k / 32);
  if (every < 32 || (end - begin) / step < 4 * every) return;
  const size_t half = states->counts.size();
  std::vector<uint32_t> counts(n_queries * 8 * half);
  for (size_t start = begin; start + step <= end; start += every * step)
    count_rows(database, start, start + step, queries, n_queries, nullptr, counts.data(), half);
  const double expected = static_cast<double>(states->k) / static_cast<double>(every);
  const auto enough = static_cast<size_t>(expected + 4 * std::sqrt(expected));
  for (size_t q = 0; q < n_queries; ++q) {
    const uint32_t* of = counts.data() + q * 8 * half;
    size_t passed = 0;
    uint32_t bound = 0;
    for (; bound < half && passed < enough; ++bound)
      for (size_t table = 0; table < 8; table += 2) passed += of[table * half + bound];
    states[q].bound = bound;
  }
}
void foresee(const Codes&, size_t, size_t, const uint64_t*, Within*, size_t) {}

// Whether the bound was foreseen too low.
bool lacks(const Nearest& state, size_t rows) { return state.found.size() < std::min(state.k, rows); }
bool lacks(const Within&, size_t) { return false; }

template <class State>  // found[slice * n_queries + query], each in ascending order of rows
std::vector<Found> search(const Codes& queries, const Codes& database, const Plan& plan,
                          const State& fresh) {
  const auto words = query_words(queries);
  std::vector<Found> found(plan.slices * queries.rows);
  plan.run([&](size_t slice, size_t begin, size_t end, size_t from, size_t to) {
    std::vector<State> states(to - from, fresh);
    const uint64_t* asked = words.data() + from * database.words();
    foresee(database, begin, end, asked, states.data(), to - from);
    scan(database, begin, end, asked, states.data(), to - from);
    for (size_t q = from; q < to; ++q) {
      State& state = states[q - from];
      if (lacks(state, end - begin)) {
        state = fresh;
        scan(database, begin, end, words.data() + q * database.words(), &state, 1);
      }
      found[slice * queries.rows + q] = std::move(state.found);
    }
  });
  return found;
}

// ------------------------------------------------------------------ asymmetric scores

// What a query asks for: scores of its bits, which make tables of half bytes, or tables of bytes.
struct Asked {
  const float* data;
  size_t queries, n_bits;  // no bits: data[(query * width + byte) * 256 + value]
};

// Tables of one query. The order of additions is that of twin.py, so the sums are bit-identical.
struct Tables {
  std::vector<float> halves, made;
  const float* whole = nullptr;  // what each value of a byte scores, where that is looked up
  std::vector<float> tops;       // the largest score of each half byte, or of each byte
  double most = 0, slack = 0;    // their sum, and how far off sums of floats may be
  Tables(const Asked& asked, size_t query, size_t width, bool whole_bytes) {
    if (asked.n_bits) {
      of_bits(asked.data + query * asked.n_bits, asked.n_bits, whole_bytes);
    } else {
      whole = asked.data + query * width * 256;
      for (size_t byte = 0; byte < width; ++byte) take_top(whole + byte * 256, 256);
    }
    slack *= 2 * static_cast<double>(tops.size()) * std::numeric_limits<float>::epsilon();
  }

 private:
  void take_top(const float* table, size_t size) {
    const auto [least, top] = std::minmax_element(table, table + size);
    tops.push_back(*top);
    most += *top;
    slack += std::max(std::abs(*least), std::abs(*top));
  }
  void of_bits(const float* weights, size_t n_bits, bool whole_bytes) {
    halves.resize((n_bits + 7) / 8 * 32);
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
      take_top(table, 16);
    }
    if (!whole_bytes) return;
    made.resize(halves.size() * 8);
    for (size_t i = 0; i < made.size(); ++i) {
      const float* table = halves.data() + i / 256 * 32;
      made[i] = table[i >> 4 & 15] + table[16 + (i & 15)];
    }
    whole = made.data();
  }
};

// Calls use(query, tables, first row, bytes, n) block by block; bytes[(i / 64 * width + byte) * 64 +
// i % 64] are those of row i, and whole groups of 64 may be read.
template <class Use>
void byte_blocks(const Codes& database, size_t begin, size_t end, const Asked& asked, size_t from,
                 size_t to, const Use& use) {
  const size_t width = database.width, step = database.block_rows(), n_queries = to - from;
  std::vector<Tables> tables;
  tables.reserve(n_queries);
  for (size_t q = from; q < to; ++q)
    tables.emplace_back(asked, q, width, level()->whole_bytes);
  std::vector<uint8_t> bytes(step * width);
  for (size_t start = begin; start < end; start += step) {
    const size_t n = std::min(end, start + step) - start;
    for (size_t i = 0; i < n; ++i) {
      const uint8_t* row = database.data + (start + i) * width;
      uint8_t* to = bytes.data() + i / 64 * width * 64 + i % 64;
      for (size_t j = 0; j < width; ++j) to[j * 64] = row[j];
    }
    for (size_t q = 0; q < n_queries; ++q) use(q, tables[q], start, bytes.data(), n);
  }
}

inline void score(const uint8_t* bytes, size_t n, size_t width, const Tables& tables, float* out) {
  const auto kernel = tables.halves.empty() ? score_whole : level()->score;
  kernel(bytes, (n + 63) / 64, width, tables.halves.data(), tables.whole, out);
}

inline float score_one(const uint8_t* bytes, size_t i, size_t width, const Tables& tables) {
  const uint8_t* row = bytes + i / 64 * width * 64 + i % 64;
  float sum = 0;
  if (tables.whole) {
    for (size_t j = 0; j < width; ++j) sum += tables.whole[j * 256 + row[j * 64]];
    return sum;
  }
  for (size_t j = 0; j < width; ++j) {
    const float* table = tables.halves.data() + j * 32;
    sum += table[row[j * 64] >> 4] + table[16 + (row[j * 64] & 15)];
  }
  return sum;
}

// What each half byte, or byte, loses against the best one, in whole units, rounded down, such that a row
// whose score is above `bound` loses less than 255 units in all. False where that cannot be said.
inline bool losses_above(float bound, const Tables& tables, double& known, uint8_t* losses) {
  const double room = tables.most - bound + tables.slack;
  if (!(room > 0 && std::isfinite(room))) return false;
  if (known > 0 && room > 0.97 * known) return true;  // those of a lower bound, which hold as well
  known = room;
  const double units = 254.9 / room;  // what is left of 255 is for the rounding of the products
  const size_t size = tables.halves.empty() ? 256 : 16;
  const float* table = tables.halves.empty() ? tables.whole : tables.halves.data();
  for (size_t part = 0; part < tables.tops.size(); ++part) {
    const float top = tables.tops[part];
    for (size_t i = part * size; i < (part + 1) * size; ++i)
      losses[i] = static_cast<uint8_t>(std::min(255.0, (top - table[i]) * units));
  }
  return true;
}

struct Best {
  size_t k;
  bool full = false;  // k rows are known, and `last` is the worst of them
  std::pair<float, int64_t> last{};
  std::vector<std::pair<float, int64_t>> found;
  std::vector<uint8_t> losses;  // see losses_above
  double room = 0;              // for which they were made
  explicit Best(size_t k_) : k(k_) {}

  static bool better(const std::pair<float, int64_t>& a, const std::pair<float, int64_t>& b) {
    return a.first > b.first || (a.first == b.first && a.second < b.second);
  }
  void add(float value, size_t row) {
    const std::pair<float, int64_t> one(value, static_cast<int64_t>(row));
    if (full && !better(one, last)) return;
    found.push_back(one);
    if (found.size() >= 2 * k + 64) compact();
  }
  void end_block() {
    if (found.size() >= k && (!full || found.size() > k + k / 4 + 16)) compact();
  }
  void compact() {
    if (found.size() < k) return;
    std::nth_element(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(k - 1), found.end(),
                     better);
    found.resize(k);
    last = found[k - 1];
    full = true;
  }
};

// Room for one thread to look for the best rows of a block.
class BestScan {
 public:
  BestScan(size_t width, size_t step)
      : width_(width), scores_(step), masks_(step / 64) {}

  void add(const uint8_t* bytes, size_t first, size_t n, const Tables& tables, Best& state) {
    if (!state.full || !promising(bytes, n, tables, state)) {
      score(bytes, n, width_, tables, scores_.data());
      for (size_t i = 0; i < n; ++i) state.add(scores_[i], first + i);
    } else {
      for (size_t g = 0; g < (n + 63) / 64; ++g)
        for (uint64_t mask = masks_[g]; mask; mask &= mask - 1) {
          const size_t i = 64 * g + lowest_one(mask);
          if (i < n) state.add(score_one(bytes, i, width_, tables), first + i);
        }
    }
    state.end_block();
  }

 private:
  // Whether `masks_` now hold the few rows that may be above the bound.
  bool promising(const uint8_t* bytes, size_t n, const Tables& tables, Best& state) {
    const size_t groups = (n + 63) / 64;
    const bool whole = tables.halves.empty();
    const auto choose = whole ? level()->promising_whole : level()->promising;
    // Rounding adds up: in wider codes too many rows look promising.
    if (!choose || width_ > (whole ? 32 : 16)) return false;
    state.losses.resize(width_ * (whole ? 256 : 32));
    if (!losses_above(state.last.first, tables, state.room, state.losses.data())) return false;
    choose(bytes, groups, width_, state.losses.data(), masks_.data());
    uint64_t many = 0;
    for (size_t g = 0; g < groups; ++g) many += count_ones(masks_[g]);
    return many <= n / 16 + 1;
  }

  size_t width_;
  std::vector<float> scores_;
  std::vector<uint64_t> masks_;
};

// ------------------------------------------------------------------ boosted trees

// Complete trees of one depth over rows of bytes; node i has the children 2i + 1 and 2i + 2, and a
// row goes to the second where its byte is above the cut. All nodes are asked for 32 rows side by
// side, from the last up: what a node finds is the leaf below it, so that no row has to branch.
struct Forest {
  static constexpr size_t lanes = 32;
  const int32_t* columns;
  const uint8_t* cuts;
  const float* leaves;
  size_t bits, trees, nodes;

  // `block` is [width][lanes], `reached` room for [nodes][lanes], `sums` [bits][lanes].
  void add(const uint8_t* block, uint8_t* reached, float* sums) const {
    for (size_t bit = 0; bit < bits; ++bit)
      for (size_t tree = bit * trees; tree < (bit + 1) * trees; ++tree) {
        walk(block, columns + tree * nodes, cuts + tree * nodes, reached);
        const float* leaf = leaves + tree * (nodes + 1);
        float* sum = sums + bit * lanes;
        for (size_t i = 0; i < lanes; ++i) sum[i] += leaf[reached[i]];
      }
  }

 private:
  void walk(const uint8_t* block, const int32_t* column, const uint8_t* cut,
            uint8_t* reached) const {
    uint8_t half = 1;  // leaves below each child
    size_t level = (nodes + 1) / 2;
    for (size_t node = nodes; node-- > 0;) {
      if (node + 1 < level) half = static_cast<uint8_t>(2 * half), level /= 2;
      const uint8_t* __restrict x = block + static_cast<size_t>(column[node]) * lanes;
      const uint8_t c = cut[node];
      uint8_t* __restrict here = reached + node * lanes;  // no two of these rows overlap
      if (half == 1) {
        for (size_t i = 0; i < lanes; ++i) here[i] = x[i] > c;
      } else {
        const uint8_t* __restrict left = reached + (2 * node + 1) * lanes;
        const uint8_t* __restrict right = left + lanes;
        for (size_t i = 0; i < lanes; ++i) {
          const uint8_t above = static_cast<uint8_t>(-(x[i] > c));
          here[i] = static_cast<uint8_t>((above & (right[i] | half)) | (~above & left[i]));
        }
      }
    }
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

template <class T>
using In3 = nb::ndarray<const T, nb::ndim<3>, nb::c_contig, nb::device::cpu>;

auto scores_of(const Asked& asked, const Codes& database, size_t threads) {
  auto out = empty<float>({asked.queries, database.rows});
  const nb::gil_scoped_release release;
  const Plan plan(asked.queries, database.rows, database.width, threads);
  plan.run([&](size_t, size_t begin, size_t end, size_t from, size_t to) {
    std::vector<float> found(database.block_rows());
    byte_blocks(database, begin, end, asked, from, to,
                [&](size_t q, const Tables& tables, size_t first, const uint8_t* bytes, size_t n) {
                  score(bytes, n, database.width, tables, found.data());
                  std::copy_n(found.data(), n, out.data() + (from + q) * database.rows + first);
                });
  });
  return out;
}

// The first of `all` in order; -1 and -inf fill up.
void write_best(std::vector<std::pair<float, int64_t>>& all, size_t k, int64_t* rows, float* out) {
  const size_t there = std::min(k, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(there), all.end(),
                    Best::better);
  for (size_t i = 0; i < k; ++i) {
    out[i] = i < there ? all[i].first : -std::numeric_limits<float>::infinity();
    rows[i] = i < there ? all[i].second : -1;
  }
}

auto best_of(const Asked& asked, const Codes& database, size_t k, size_t threads) {
  auto rows = empty<int64_t>({asked.queries, k});
  auto out = empty<float>({asked.queries, k});
  {
    const nb::gil_scoped_release release;
    const Plan plan(asked.queries, database.rows, database.width, threads);
    std::vector<Best> states(plan.slices * asked.queries, Best(k));
    plan.run([&](size_t slice, size_t begin, size_t end, size_t from, size_t to) {
      Best* here = states.data() + slice * asked.queries + from;
      BestScan look(database.width, database.block_rows());
      byte_blocks(database, begin, end, asked, from, to,
                  [&](size_t q, const Tables& tables, size_t first, const uint8_t* bytes, size_t n) {
                    look.add(bytes, first, n, tables, here[q]);
                  });
    });
    parallel(asked.queries, plan.threads, [&](size_t q) {
      std::vector<std::pair<float, int64_t>> all;
      for (size_t s = 0; s < plan.slices; ++s) {
        const auto& part = states[s * asked.queries + q].found;
        all.insert(all.end(), part.begin(), part.end());
      }
      write_best(all, k, rows.data() + q * k, out.data() + q * k);
    });
  }
  return std::make_pair(rows, out);
}

auto scores(In<float> weights, In<uint8_t> database, size_t n_bits, size_t threads) {
  return scores_of({weights.data(), weights.shape(0), n_bits}, codes_of(database), threads);
}

auto best(In<float> weights, In<uint8_t> database, size_t n_bits, size_t k, size_t threads) {
  return best_of({weights.data(), weights.shape(0), n_bits}, codes_of(database), k, threads);
}

auto table_scores(In3<float> tables, In<uint8_t> database, size_t threads) {
  return scores_of({tables.data(), tables.shape(0), 0}, codes_of(database), threads);
}

auto table_best(In3<float> tables, In<uint8_t> database, size_t k, size_t threads) {
  return best_of({tables.data(), tables.shape(0), 0}, codes_of(database), k, threads);
}

using Flat32 = nb::ndarray<const uint32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Flat64 = nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// The best of listed rows, those of query q at rows[offsets[q]] and on.
auto table_best_of(In3<float> tables, In<uint8_t> database_, Flat64 offsets, Flat64 listed, size_t k,
                   size_t threads) {
  const Codes database = codes_of(database_);
  const size_t n_queries = tables.shape(0), width = database.width;
  auto rows = empty<int64_t>({n_queries, k});
  auto out = empty<float>({n_queries, k});
  {
    const nb::gil_scoped_release release;
    parallel(n_queries, threads, [&](size_t q) {
      const float* table = tables.data() + q * width * 256;
      Best state(k);
      // Side by side, because each addition waits for the one before it.
      constexpr size_t beside = 8, ahead = 32;
      const int64_t* row = listed.data() + offsets.data()[q];
      const int64_t* end = listed.data() + offsets.data()[q + 1];
      for (; row < end; row += beside) {
        const auto n = std::min(beside, static_cast<size_t>(end - row));
        const uint8_t* codes[beside];
        for (size_t i = 0; i < beside; ++i)
          codes[i] = database.data + static_cast<size_t>(row[i < n ? i : 0]) * width;
        for (size_t i = ahead; i < ahead + beside && i < static_cast<size_t>(end - row); ++i)
          HB_PREFETCH(database.data + static_cast<size_t>(row[i]) * width);
        float sums[beside] = {};
        for (size_t j = 0; j < width; ++j)
          for (size_t i = 0; i < beside; ++i) sums[i] += table[j * 256 + codes[i][j]];
        for (size_t i = 0; i < n; ++i) state.add(sums[i], static_cast<size_t>(row[i]));
      }
      write_best(state.found, k, rows.data() + q * k, out.data() + q * k);
    });
  }
  return std::make_pair(rows, out);
}

using Marks = nb::ndarray<const bool, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

Buckets buckets_of(const In<uint8_t>& codes, const Flat32& offsets, const Flat64& bits,
                   const Flat32& rows, const std::optional<Marks>& gone) {
  return {codes.data(), offsets.data(), bits.data(), rows.data(), gone ? gone->data() : nullptr,
          codes.shape(1), bits.shape(0) - 1, rows.shape(0)};
}

// Sorted keys of distance and row go out.
void write_keys(const std::vector<uint64_t>& keys, int64_t* rows, uint16_t* distances) {
  for (size_t i = 0; i < keys.size(); ++i) {
    rows[i] = static_cast<int64_t>(keys[i] & 0xffffffffu);
    distances[i] = static_cast<uint16_t>(keys[i] >> 32);
  }
}

auto nearest_in_buckets(In<uint8_t> queries_, In<uint8_t> codes, Flat32 offsets, Flat64 bits,
                        Flat32 rows_, std::optional<Marks> gone, size_t k, uint64_t budget,
                        size_t threads) {
  const Codes queries = codes_of(queries_);
  const Buckets buckets = buckets_of(codes, offsets, bits, rows_, gone);
  auto rows = empty<int64_t>({queries.rows, k});
  auto distances = empty<uint16_t>({queries.rows, k});
  auto spent = empty<int64_t>({queries.rows});
  {
    const nb::gil_scoped_release release;
    parallel(queries.rows, threads, [&](size_t q) {
      NearestFound found(k, static_cast<uint32_t>(8 * queries.width));
      Probe<NearestFound> probe(buckets, queries.data + q * queries.width, found);
      const bool done = probe.run(budget);
      std::sort(found.heap.begin(), found.heap.end());
      std::fill_n(rows.data() + q * k, k, int64_t{-1});
      std::fill_n(distances.data() + q * k, k, uint16_t{65535});
      if (done) write_keys(found.heap, rows.data() + q * k, distances.data() + q * k);
      const auto cost = static_cast<int64_t>(probe.spent);
      spent.data()[q] = done ? cost : -1 - cost;
    });
  }
  return std::make_tuple(rows, distances, spent);
}

auto within_in_buckets(In<uint8_t> queries_, In<uint8_t> codes, Flat32 offsets, Flat64 bits,
                       Flat32 rows_, std::optional<Marks> gone, uint32_t radius, size_t threads) {
  const Codes queries = codes_of(queries_);
  const Buckets buckets = buckets_of(codes, offsets, bits, rows_, gone);
  auto ends = empty<int64_t>({queries.rows + 1});
  std::vector<std::vector<uint64_t>> all(queries.rows);
  {
    const nb::gil_scoped_release release;
    parallel(queries.rows, threads, [&](size_t q) {
      WithinFound found{radius, {}};
      Probe<WithinFound>(buckets, queries.data + q * queries.width, found).run(UINT64_MAX);
      std::sort(found.all.begin(), found.all.end());
      all[q] = std::move(found.all);
    });
    ends.data()[0] = 0;
    for (size_t q = 0; q < queries.rows; ++q)
      ends.data()[q + 1] = ends.data()[q] + static_cast<int64_t>(all[q].size());
  }
  const auto total = static_cast<size_t>(ends.data()[queries.rows]);
  auto rows = empty<int64_t>({total});
  auto distances = empty<uint16_t>({total});
  for (size_t q = 0; q < queries.rows; ++q)
    write_keys(all[q], rows.data() + ends.data()[q], distances.data() + ends.data()[q]);
  return std::make_tuple(ends, rows, distances);
}

auto forest(In<uint8_t> rows, nb::ndarray<const int32_t, nb::ndim<3>, nb::c_contig> columns,
            nb::ndarray<const uint8_t, nb::ndim<3>, nb::c_contig> cuts,
            nb::ndarray<const float, nb::ndim<3>, nb::c_contig> leaves, size_t threads) {
  constexpr size_t lanes = Forest::lanes;
  const Forest trees{columns.data(), cuts.data(), leaves.data(),
                     columns.shape(0), columns.shape(1), columns.shape(2)};
  const size_t n = rows.shape(0), width = rows.shape(1), bits = trees.bits;
  auto out = empty<float>({n, bits});
  {
    const nb::gil_scoped_release release;
    parallel((n + lanes - 1) / lanes, threads, [&](size_t task) {
      const size_t first = task * lanes, count = std::min(lanes, n - first);
      std::vector<uint8_t> block(width * lanes), reached(trees.nodes * lanes);
      std::vector<float> sums(bits * lanes);
      const uint8_t* from = rows.data() + first * width;
      for (size_t d = 0; d < width; ++d)
        for (size_t i = 0; i < count; ++i) block[d * lanes + i] = from[i * width + d];
      trees.add(block.data(), reached.data(), sums.data());
      for (size_t i = 0; i < count; ++i)
        for (size_t bit = 0; bit < bits; ++bit)
          out.data()[(first + i) * bits + bit] = sums[bit * lanes + i];
    });
  }
  return out;
}

auto descend(In3<float> costs, In<uint8_t> codes,
             nb::ndarray<const float, nb::ndim<4>, nb::c_contig> cross, In<float> parts, float base,
             float weight, size_t passes, size_t threads) {
  constexpr size_t apiece = 128;  // codes of a task
  const size_t n = codes.shape(0), m = codes.shape(1);
  const Descent what{cross.data(), parts.data(), base, weight, m, passes};
  auto out = empty<uint8_t>({n, m});
  {
    const nb::gil_scoped_release release;
    std::copy_n(codes.data(), n * m, out.data());
    parallel((n + apiece - 1) / apiece, threads, [&](size_t task) {
      const size_t first = task * apiece, count = std::min(apiece, n - first);
      std::vector<float> sums(count * 256), apart(count);
      level()->descend(what, costs.data() + first * m * 256, out.data() + first * m, count,
                       sums.data(), apart.data());
    });
  }
  return out;
}

}  // namespace

NB_MODULE(_native, m) {
  m.def("nearest", &nearest);
  m.def("within", &within);
  m.def("histograms", &histograms, nb::arg(), nb::arg(), nb::arg(), nb::arg().none(), nb::arg());
  m.def("scores", &scores);
  m.def("best", &best);
  m.def("table_scores", &table_scores);
  m.def("table_best", &table_best);
  m.def("table_best_of", &table_best_of);
  m.def("nearest_in_buckets", &nearest_in_buckets, nb::arg(), nb::arg(), nb::arg(), nb::arg(),
        nb::arg(), nb::arg().none(), nb::arg(), nb::arg(), nb::arg());
  m.def("within_in_buckets", &within_in_buckets, nb::arg(), nb::arg(), nb::arg(), nb::arg(),
        nb::arg(), nb::arg().none(), nb::arg(), nb::arg());
  m.def("forest", &forest);
  m.def("descend", &descend);
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
