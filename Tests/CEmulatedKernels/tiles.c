// The AMX products with the tile instructions written out in C: slow, exact to the instruction set's
// definition except for the order of additions inside one pair, and able to run anywhere.

#include "emulation.inc"

typedef struct {
  uint32_t dwords[16][16];
} emulated_tile;

static void emulated_load(emulated_tile *t, const void *p, ptrdiff_t stride) {
  for (int r = 0; r < 16; r++) memcpy(t->dwords[r], (const char *)p + r * stride, 64);
}

static void emulated_store(const emulated_tile *t, void *p, ptrdiff_t stride) {
  for (int r = 0; r < 16; r++) memcpy((char *)p + r * stride, t->dwords[r], 64);
}

static float as_float(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/// TDPBF16PS: every dword of A and B is a pair of bfloat16, multiplied pairwise and added to C.
static void emulated_dot(emulated_tile *c, const emulated_tile *a, const emulated_tile *b) {
  for (int m = 0; m < 16; m++)
    for (int k = 0; k < 16; k++)
      for (int n = 0; n < 16; n++) {
        uint32_t x = a->dwords[m][k], y = b->dwords[k][n];
        float sum = as_float(c->dwords[m][n]);
        sum += as_float(x << 16) * as_float(y << 16);
        sum += as_float(x & 0xFFFF0000u) * as_float(y & 0xFFFF0000u);
        memcpy(&c->dwords[m][n], &sum, sizeof sum);
      }
}

static _Thread_local emulated_tile tiles[8];

NK_INLINE void begin_blocks(void) {}
NK_INLINE void end_blocks(void) {}

#define TILE_ZERO(t) memset(&tiles[t], 0, sizeof tiles[t])
#define TILE_LOAD(t, p, stride) emulated_load(&tiles[t], p, stride)
#define TILE_STORE(t, p, stride) emulated_store(&tiles[t], p, stride)
#define TILE_DOT(c, a, b) emulated_dot(&tiles[c], &tiles[a], &tiles[b])

#define TILE_PACKED_B (1 << 19)

#include "gemm/tile_packing.inc"

#include "gemm/tile_blocks.inc"

#include "gemm/amx_blocks.inc"

#include "gemm/gemm_tiles.inc"

void nk_gemm_bf16_emulated(const nk_gemm *p) { gemm_through_tiles(p, false); }

const nk_packing nk_packing_bf16_emulated = {bytes_of_all_tiles, pack_all_tiles};

void nk_gemm_split_emulated(const nk_gemm *p) { gemm_through_tiles(p, true); }
