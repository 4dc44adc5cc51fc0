#include "block.h"

namespace emulation {

int lane() { return Block::current().lane(); }

template <typename Arguments>
static void for_each(void *const arguments[32], unsigned lanes, void (*body)(Arguments &, int lane)) {
  for (; lanes != 0; lanes &= lanes - 1) {
    const int lane = __builtin_ctz(lanes);
    body(*static_cast<Arguments *>(arguments[lane]), lane);
  }
}

// MARK: Shuffles and votes

struct Shuffle {
  uint64_t bits;
  int source;
  uint64_t result;
};

static void shuffle_lanes(void *const arguments[32], unsigned lanes) {
  for (unsigned rest = lanes; rest != 0; rest &= rest - 1) {
    Shuffle &own = *static_cast<Shuffle *>(arguments[__builtin_ctz(rest)]);
    const bool present = lanes >> own.source & 1;
    own.result = present ? static_cast<const Shuffle *>(arguments[own.source])->bits : ~(uint64_t)0;
  }
}

uint64_t shuffle(const char *name, int line, unsigned mask, uint64_t bits, int source) {
  Shuffle own = {bits, source & 31, 0};
  Block::current().warp_operation(name, line, mask, shuffle_lanes, &own);
  return own.result;
}

struct Vote {
  bool value;
  unsigned result;
};

static void vote_lanes(void *const arguments[32], unsigned lanes) {
  unsigned result = 0;
  for (unsigned rest = lanes; rest != 0; rest &= rest - 1) {
    const int lane = __builtin_ctz(rest);
    if (static_cast<const Vote *>(arguments[lane])->value) result |= 1u << lane;
  }
  for (unsigned rest = lanes; rest != 0; rest &= rest - 1) {
    static_cast<Vote *>(arguments[__builtin_ctz(rest)])->result = result;
  }
}

unsigned ballot(const char *name, int line, unsigned mask, bool value) {
  Vote own = {value, 0};
  Block::current().warp_operation(name, line, mask, vote_lanes, &own);
  return own.result;
}

struct Match {
  uint64_t value;
  unsigned result;
};

static void match_lanes(void *const arguments[32], unsigned lanes) {
  for (unsigned rest = lanes; rest != 0; rest &= rest - 1) {
    Match &own = *static_cast<Match *>(arguments[__builtin_ctz(rest)]);
    own.result = 0;
    for (unsigned others = lanes; others != 0; others &= others - 1) {
      const int lane = __builtin_ctz(others);
      if (static_cast<const Match *>(arguments[lane])->value == own.value) own.result |= 1u << lane;
    }
  }
}

unsigned matching(int line, unsigned mask, uint64_t value) {
  Match own = {value, 0};
  Block::current().warp_operation("__match_any_sync", line, mask, match_lanes, &own);
  return own.result;
}

struct Reduced {
  long long value;
  Reduction reduction;
};

static void reduce_lanes(void *const arguments[32], unsigned lanes) {
  const Reduction reduction = static_cast<const Reduced *>(arguments[__builtin_ctz(lanes)])->reduction;
  long long result = static_cast<const Reduced *>(arguments[__builtin_ctz(lanes)])->value;
  for (unsigned rest = lanes & (lanes - 1); rest != 0; rest &= rest - 1) {
    const long long value = static_cast<const Reduced *>(arguments[__builtin_ctz(rest)])->value;
    switch (reduction) {
      case Reduction::sum: result += value; break;
      case Reduction::maximum: result = max(result, value); break;
      case Reduction::minimum: result = min(result, value); break;
      case Reduction::bitwise_or: result |= value; break;
    }
  }
  for (unsigned rest = lanes; rest != 0; rest &= rest - 1) {
    static_cast<Reduced *>(arguments[__builtin_ctz(rest)])->value = result;
  }
}

long long reduce(const char *name, int line, unsigned mask, long long value, Reduction reduction) {
  Reduced own = {value, reduction};
  Block::current().warp_operation(name, line, mask, reduce_lanes, &own);
  return own.value;
}

// MARK: Tensor cores

static void require_whole_warp(unsigned lanes, const char *name) {
  if (lanes != ~0u) fail("%s needs all 32 lanes of a warp, lanes %#x came", name, lanes);
}

// The low or the high bfloat16 of a pair.
static float number(unsigned pair, int high) {
  return __uint_as_float(high != 0 ? pair & 0xffff0000u : pair << 16);
}

struct Product {
  float *d;
  const unsigned *a, *b;
};

static void multiply_lanes(void *const arguments[32], unsigned lanes) {
  require_whole_warp(lanes, "mma_bf16_m16n8k16");
  float a[16][16], b[16][8];
  for (int lane = 0; lane < 32; lane++) {
    const Product &own = *static_cast<const Product *>(arguments[lane]);
    const int g = lane / 4, t = lane % 4;
    for (int half = 0; half < 2; half++) {
      for (int i = 0; i < 4; i++) a[g + 8 * (i & 1)][2 * t + half + 8 * (i >> 1)] = number(own.a[i], half);
      for (int i = 0; i < 2; i++) b[2 * t + half + 8 * i][g] = number(own.b[i], half);
    }
  }
  for (int lane = 0; lane < 32; lane++) {
    const Product &own = *static_cast<const Product *>(arguments[lane]);
    for (int i = 0; i < 4; i++) {
      const int row = lane / 4 + 8 * (i >> 1), column = 2 * (lane % 4) + (i & 1);
      float sum = own.d[i];
      for (int k = 0; k < 16; k++) sum += a[row][k] * b[k][column];
      own.d[i] = sum;
    }
  }
}

void multiply_m16n8k16(int line, float *d, const unsigned *a, const unsigned *b) {
  Product own = {d, a, b};
  Block::current().warp_operation("mma_bf16_m16n8k16", line, ~0u, multiply_lanes, &own);
}

struct MatrixLoad {
  unsigned *fragments;
  const unsigned short *row;
  int count;
  bool transposed;
};

static void load_lanes(void *const arguments[32], unsigned lanes) {
  require_whole_warp(lanes, "ldmatrix");
  const MatrixLoad *loads[32];
  for (int lane = 0; lane < 32; lane++) loads[lane] = static_cast<const MatrixLoad *>(arguments[lane]);
  for (int matrix = 0; matrix < loads[0]->count; matrix++) {
    unsigned short numbers[8][8];
    for (int row = 0; row < 8; row++) {
      const unsigned short *from = loads[8 * matrix + row]->row;
      if ((uintptr_t)from % 16 != 0) {
        fail("ldmatrix: the row address of lane %d is no multiple of 16 bytes", 8 * matrix + row);
      }
      memcpy(numbers[row], from, 16);
    }
    for (int lane = 0; lane < 32; lane++) {
      const int g = lane / 4, t = lane % 4;
      const bool transposed = loads[lane]->transposed;
      const unsigned low = transposed ? numbers[2 * t][g] : numbers[g][2 * t];
      const unsigned high = transposed ? numbers[2 * t + 1][g] : numbers[g][2 * t + 1];
      loads[lane]->fragments[matrix] = low | high << 16;
    }
  }
}

void load_matrices(
    const char *name, int line, unsigned *fragments, const void *row, int count, bool transposed) {
  MatrixLoad own = {fragments, static_cast<const unsigned short *>(row), count, transposed};
  Block::current().warp_operation(name, line, ~0u, load_lanes, &own);
}

// MARK: Copies in the background

// The copy is made by the wait, and until then NaN stands at its place: a wait that is missing shows.
void copy_later(void *shared, const void *global, bool valid) {
  if ((uintptr_t)shared % 16 != 0 || (valid && (uintptr_t)global % 16 != 0)) {
    fail("cp_async_16: an address is no multiple of 16 bytes");
  }
  memset(shared, 0xff, 16);
  Block::current().thread().open_group.push_back(
      {static_cast<unsigned char *>(shared), static_cast<const unsigned char *>(global), valid});
}

void commit_copies() {
  Thread &thread = Block::current().thread();
  thread.groups.push_back(std::move(thread.open_group));
  thread.open_group.clear();
}

void await_copies(int pending_groups) {
  Thread &thread = Block::current().thread();
  while (thread.groups.size() > (size_t)pending_groups) {
    for (const Copy &copy : thread.groups.front()) {
      if (copy.valid)
        memcpy(copy.shared, copy.global, 16);
      else
        memset(copy.shared, 0, 16);
    }
    thread.groups.erase(thread.groups.begin());
  }
}

}  // namespace emulation
