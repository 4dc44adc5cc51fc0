// The products by vectors of pairs with the instruction written out in C: slow, and able to run anywhere.

#include <math.h>
#include <stdint.h>
#include <string.h>

#define NK_WIDTH 4
#include "vector.h"

/// VDPBF16PS: every dword of x and y is a pair of bfloat16, multiplied pairwise and added to the sum.
#define PAIR_DOT(sum, x, y)                                  \
  ((sum) + (floats16)((x) << 16) * (floats16)((y) << 16) +   \
   (floats16)((x) & 0xFFFF0000u) * (floats16)((y) & 0xFFFF0000u))
#define TO_BFLOAT16(first, second) joined_halves(upper_halves(first), upper_halves(second))
#define ASK_TO_WRITE(p) ((void)(p))
#define BLOCKS "pair_blocks.inc"
#define TILE_PACKED_B (1 << 18)

#include "product_tiles.inc"

void nk_product_bf16_pairs_emulated(const nk_product *p) { product_through_tiles(p, false); }
