// matmul for any number of rows on any device. LANES == 1: neighbouring work-items are neighbouring output features, so
// a wave reads whole lines of a panel; activations are the same for all of them and come from the cache.
//
// One work-item: one output feature x ROWS rows. SPLIT of them, the second dimension of a work-group of GROUP features,
// take turns at the blocks of 32 columns, so that few rows occupy a GPU too; their sums meet in local memory.
// Grid: [features padded to the work-group, row tiles * SPLIT].

// weight = value * scale + shift, dequantised once for all rows of the tile.
kernel void matmul_lane(global float* arena, global const uchar* weights, const OpArgs a) {
#if SPLIT > 1
  local float sums[(SPLIT - 1) * ROWS * GROUP];
#endif
  // m is the same for the whole launch: either every work-item meets the barrier or none does.
  if (a.m == 0) return;
  const int me = (int)get_local_id(0), slice = (int)get_local_id(1);
  const long row0 = (long)get_group_id(1) * ROWS;
  const bool here = (long)get_global_id(0) < a.n;
  const long feature = here ? (long)get_global_id(0) : 0;
  const int lane = (int)(feature % 16);
  const long blocks = (a.k + 31) / 32;
  global const uchar* block = weights + (feature / 16 * blocks + slice) * BLOCK_BYTES;

  global const float* x[ROWS];
  float acc[ROWS];
  for (int r = 0; r < ROWS; ++r) {
    x[r] = arena + a.in0 + min(row0 + r, a.m - 1) * a.in0_stride;
    acc[r] = 0.0f;
  }
  for (long b = slice; b < blocks; b += SPLIT, block += SPLIT * BLOCK_BYTES) {
#if GROUPS == 0
    const int columns = (int)min(32L, a.k - b * 32);
    for (int j = 0; j < columns; ++j) {
      const float w = load_element(block, j, lane);
      for (int r = 0; r < ROWS; ++r) acc[r] = fma(w, x[r][b * 32 + j], acc[r]);
    }
#else
    for (int g = 0; g < GROUPS; ++g) {
      const float scale = load_scale(block, g, lane);
#if MIN_BYTES > 0
      const float shift = load_min(block, lane);
#else
      const float shift = -(float)ZERO * scale;
#endif
      for (int i = WORDS / GROUPS * g; i < WORDS / GROUPS * (g + 1); ++i) {
        const uint word = load_word(block, i, lane);
        const long column = b * 32 + i * WORD_COLUMNS;
#pragma unroll
        for (int j = 0; j < WORD_COLUMNS; ++j) {
          const float w = fma((float)((word >> (j * BITS)) & CODE_MASK), scale, shift);
          for (int r = 0; r < ROWS; ++r) acc[r] = fma(w, x[r][column + COLUMN_OF(j)], acc[r]);
        }
      }
    }
#endif
  }
#if SPLIT > 1
  if (slice > 0) {
    for (int r = 0; r < ROWS; ++r) sums[((slice - 1) * ROWS + r) * GROUP + me] = acc[r];
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  if (slice == 0) {
    for (int s = 0; s < SPLIT - 1; ++s) {
      for (int r = 0; r < ROWS; ++r) acc[r] += sums[(s * ROWS + r) * GROUP + me];
    }
  }
#endif
  for (int r = 0; r < ROWS; ++r) {
    if (slice > 0 || !here || row0 + r >= a.m) break;
    const float residual = a.in1 >= 0 ? arena[a.in1 + (row0 + r) * a.in1_stride + feature] : 0.0f;
    arena[a.out + (row0 + r) * a.out_stride + feature] = acc[r] + residual;
  }
}
