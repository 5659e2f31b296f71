// matmul for many rows on a device whose work-item is a CPU thread with wide vectors. LANES == 16.
//
// One work-item: ROWS_BLOCK rows x 32 output features (two panels), all of k in chunks of CHUNK columns.
//
//   chunk      two panels dequantised -> w[CHUNK][32] (private: 16 KiB at 128, stays in L1)
//   tile       8 rows x 32 features in 16 vector registers, accumulated over the chunk, kept in sums between chunks
//
// Dequantising costs about 4 instructions for 16 weights and is shared by ROWS_BLOCK rows: 6 % at 64.

#define TILE_ROWS 8

// Element j of a word as a float.
inline float16 element(uint16 word, int j) { return TO_FLOAT((word >> (uint)(j * BITS)) & CODE_MASK); }

// One block of one panel to w[32][32], at columns [0, 16) of its rows.
inline void dequantise_block(global const uchar* block, private float* w) {
#if GROUPS == 0
  for (int j = 0; j < 32; ++j) vstore16(load_element(block, j, 0), 0, w + j * 32);
#else
#pragma unroll
  for (int g = 0; g < GROUPS; ++g) {
    const float16 scale = load_scale(block, g, 0);
    float16 shift = -(float)ZERO * scale;
#if MIN_BYTES > 0
    shift += load_min(block, 0);
#endif
#pragma unroll
    for (int i = WORDS / GROUPS * g; i < WORDS / GROUPS * (g + 1); ++i) {
      const uint16 word = load_word(block, i, 0);
#pragma unroll
      for (int j = 0; j < WORD_COLUMNS; ++j) {
        vstore16(fma(element(word, j), scale, shift), 0, w + (i * WORD_COLUMNS + COLUMN_OF(j)) * 32);
      }
    }
  }
#endif
}

WIDE kernel void matmul_gemm(global float* arena, global const uchar* weights, const OpArgs a) {
  const long row0 = (long)get_global_id(0) * ROWS_BLOCK;
  const long rows = min((long)ROWS_BLOCK, a.m - row0);
  if (rows <= 0) return;
  const long blocks = (a.k + 31) / 32;
  const long panels = (a.n + 15) / 16;
  const long panel = (long)get_global_id(1) * 2;
  // A lone last panel is computed twice rather than branched upon.
  const long panel1 = min(panel + 1, panels - 1);

  private float w[CHUNK * 32];
  private float sums[ROWS_BLOCK * 32];
  for (int i = 0; i < ROWS_BLOCK * 32; i += 16) vstore16((float16)(0.0f), 0, sums + i);

  for (long b0 = 0; b0 < blocks; b0 += CHUNK / 32) {
    const int count = (int)min((long)(CHUNK / 32), blocks - b0);
    for (int b = 0; b < count; ++b) {
      dequantise_block(weights + (panel * blocks + b0 + b) * BLOCK_BYTES, w + b * 32 * 32);
      dequantise_block(weights + (panel1 * blocks + b0 + b) * BLOCK_BYTES, w + b * 32 * 32 + 16);
    }
    const int columns = (int)min((long)count * 32, a.k - b0 * 32);
    for (int tile = 0; tile < rows; tile += TILE_ROWS) {
      // Rows beyond the last repeat it; they are not stored.
      global const float* x0 = arena + a.in0 + b0 * 32;
      global const float* x[TILE_ROWS];
      float16 left[TILE_ROWS], right[TILE_ROWS];
#pragma unroll
      for (int r = 0; r < TILE_ROWS; ++r) {
        x[r] = x0 + min(row0 + tile + r, a.m - 1) * a.in0_stride;
        left[r] = vload16(0, sums + (tile + r) * 32);
        right[r] = vload16(1, sums + (tile + r) * 32);
      }
      for (int j = 0; j < columns; ++j) {
        const float16 w0 = vload16(0, w + j * 32);
        const float16 w1 = vload16(1, w + j * 32);
#pragma unroll
        for (int r = 0; r < TILE_ROWS; ++r) {
          const float16 v = (float16)(x[r][j]);
          left[r] = fma(v, w0, left[r]);
          right[r] = fma(v, w1, right[r]);
        }
      }
#pragma unroll
      for (int r = 0; r < TILE_ROWS; ++r) {
        vstore16(left[r], 0, sums + (tile + r) * 32);
        vstore16(right[r], 1, sums + (tile + r) * 32);
      }
    }
  }

  const long column = panel * 16;
  for (int r = 0; r < rows; ++r) {
    global float* out = arena + a.out + (row0 + r) * a.out_stride + column;
    global const float* residual = arena + a.in1 + (row0 + r) * a.in1_stride + column;
    if (column + 32 <= a.n) {
      for (int i = 0; i < 2; ++i) {
        float16 v = vload16(i, sums + r * 32);
        if (a.in1 >= 0) v += vload16(i, residual);
        vstore16(v, i, out);
      }
    } else {
      for (int i = 0; i < a.n - column; ++i) out[i] = sums[r * 32 + i] + (a.in1 >= 0 ? residual[i] : 0.0f);
    }
  }
}
