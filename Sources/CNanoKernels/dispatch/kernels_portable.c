// The kernels in plain C vectors: SSE2 on x86-64, NEON on arm64.

#define NK_WIDTH 4
#if defined(__aarch64__)
#define NK_TILE_ROWS 8
#else
#define NK_TILE_ROWS 4
#endif
#define NK_TILE_VECTORS 2
#define NK_NARROW_ROWS NK_TILE_ROWS
#define NK_NAME(symbol) symbol##_portable
#define NK_LABEL "portable"

#include "vector.h"

#include "families.inc"
