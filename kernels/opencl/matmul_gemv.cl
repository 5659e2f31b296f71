// matmul for one to four rows: weights are streamed once, and nothing else matters. LANES == 16.
//
// One work-item: PANELS panels (16 * PANELS output features), ROWS rows, all of k in chunks of CHUNK columns.
//
//   chunk      x scaled by powers of two -> xs[ROWS][CHUNK] (private, in L1), block sums -> sums
//   panel      acc += scale * (sum of x * q - ZERO * sum of x) + min * sum of x, block by block
//
// An element of a word stays where it is: masking alone leaves q * 2^shift, and x was divided by 2^shift before, which
// is exact. So an element costs and, convert, fma: three instructions for 16 weights.
// CHUNK 1024 and PREFETCH 2048 bytes ahead: 19 GB/s on a Zen 5 core with PoCL 3.1 (256 without prefetch: 14 GB/s).

#if GROUPS == 0
#define FACTORS ((float16)(1.0f))
#elif BITS == 4
#define F4 1.0f, 0x1p-8f, 0x1p-16f, 0x1p-24f, 0x1p-4f, 0x1p-12f, 0x1p-20f, 1.0f
#define FACTORS ((float16)(F4, F4))
#else
#define F8 1.0f, 0x1p-8f, 0x1p-16f, 1.0f
#define FACTORS ((float16)(F8, F8, F8, F8))
#endif

#define CHUNK_BLOCKS (CHUNK / 32)

// x[0, count) of a block of 32, zeros beyond; as scaled values and sums of its halves.
inline void scale_block(global const float* x, long count, private float* xs, private float* sums) {
  float16 a, b;
  load_columns(x, count, &a, &b);
  vstore16(a * FACTORS, 0, xs);
  vstore16(b * FACTORS, 1, xs);
  sums[0] = sum_lanes(a);
  sums[1] = sum_lanes(b);
}

#if GROUPS > 0
#define GROUP_WORDS (WORDS / GROUPS)

// Sum over the columns of a group's words of x * q.
inline float16 dot_words(const uint16* words, int group, const private float* xs) {
  float16 even = 0.0f, odd = 0.0f;
#pragma unroll
  for (int i = 0; i < GROUP_WORDS; ++i) {
    const uint16 word = words[group * GROUP_WORDS + i];
    const private float* x = xs + (group * GROUP_WORDS + i) * WORD_COLUMNS;
#pragma unroll
    for (int j = 0; j < WORD_COLUMNS; ++j) {
      // The topmost element has no room for the sign: it is shifted down.
      const uint16 q = j == WORD_COLUMNS - 1 ? word >> (32 - BITS) : word & (CODE_MASK << (j * BITS));
      if (j % 2 == 0) {
        even = fma(TO_FLOAT(q), (float16)(x[COLUMN_OF(j)]), even);
      } else {
        odd = fma(TO_FLOAT(q), (float16)(x[COLUMN_OF(j)]), odd);
      }
    }
  }
  return even + odd;
}
#endif

WIDE kernel void matmul_gemv(global float* arena, global const uchar* weights, const OpArgs a) {
  if (a.m == 0) return;
  const long blocks = (a.k + 31) / 32;
  const long panels = (a.n + 15) / 16;
  const long first_panel = (long)get_global_id(0) * PANELS;
  const int here = (int)min((long)PANELS, panels - first_panel);

  private float xs[ROWS * CHUNK];
  private float sums[ROWS * CHUNK_BLOCKS * 2];
  float16 acc[PANELS][ROWS];
  for (int p = 0; p < PANELS; ++p) {
    for (int r = 0; r < ROWS; ++r) acc[p][r] = 0.0f;
  }

  for (long b0 = 0; b0 < blocks; b0 += CHUNK_BLOCKS) {
    const int count = (int)min((long)CHUNK_BLOCKS, blocks - b0);
    for (int r = 0; r < ROWS; ++r) {
      for (int b = 0; b < count; ++b) {
        const long column = (b0 + b) * 32;
        scale_block(arena + a.in0 + r * a.in0_stride + column, a.k - column, xs + r * CHUNK + b * 32,
                    sums + (r * CHUNK_BLOCKS + b) * 2);
      }
    }
    for (int p = 0; p < here; ++p) {
      global const uchar* block = weights + ((first_panel + p) * blocks + b0) * BLOCK_BYTES;
      float16 c[ROWS];
      for (int r = 0; r < ROWS; ++r) c[r] = acc[p][r];
      for (int b = 0; b < count; ++b, block += BLOCK_BYTES) {
#if GROUPS == 0
        for (int j = 0; j < 32; ++j) {
          const float16 w = load_element(block, j, 0);
          for (int r = 0; r < ROWS; ++r) c[r] = fma(w, (float16)(xs[r * CHUNK + b * 32 + j]), c[r]);
        }
#else
        uint16 words[WORDS];
#pragma unroll
        for (int i = 0; i < WORDS; ++i) {
          words[i] = load_word(block, i, 0);
#if PREFETCH > 0
          __builtin_prefetch((const global char*)block + i * 64 + PREFETCH);
#endif
        }
#pragma unroll
        for (int g = 0; g < GROUPS; ++g) {
          const float16 scale = load_scale(block, g, 0);
#pragma unroll
          for (int r = 0; r < ROWS; ++r) {
            const float16 dot = dot_words(words, g, xs + r * CHUNK + b * 32);
            const private float* s = sums + (r * CHUNK_BLOCKS + b) * 2;
            const float sum = GROUPS == 2 ? s[g] : s[0] + s[1];
            c[r] = fma(dot - (float16)(ZERO * sum), scale, c[r]);
#if MIN_BYTES > 0
            c[r] = fma((float16)(sum), load_min(block, 0), c[r]);
#endif
          }
        }
#endif
      }
      for (int r = 0; r < ROWS; ++r) acc[p][r] = c[r];
    }
  }

  for (int p = 0; p < here; ++p) {
    const long column = (first_panel + p) * 16;
    for (int r = 0; r < ROWS; ++r) {
      global float* out = arena + a.out + r * a.out_stride + column;
      global const float* residual = arena + a.in1 + r * a.in1_stride + column;
      float16 v = acc[p][r];
      if (column + 16 <= a.n) {
        if (a.in1 >= 0) v += vload16(0, residual);
        vstore16(v, 0, out);
      } else {
        private float tail[16];
        vstore16(v, 0, tail);
        for (int i = 0; i < a.n - column; ++i) out[i] = tail[i] + (a.in1 >= 0 ? residual[i] : 0.0f);
      }
    }
  }
}
