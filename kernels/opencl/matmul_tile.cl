// matmul for many rows on a GPU. LANES == 1.
//
// One work-group of 16 x LINES work-items: TILE_M rows x TILE_N output features, all of k, 32 columns at a time:
//
//   load       the rows' columns -> xs, the features' -> ws: local memory, columns first
//   multiply   a work-item: TILE_M / LINES neighbouring rows x TILE_N / 16 features, 16 apart, in registers. The 16 of a
//              line read neighbouring words of ws and the same word of xs
//
// BYTES 0: floats; the weights are dequantised as they are loaded, which TILE_M rows share.
// BYTES 1: the activations are quantised as they are loaded, x ~ scale * code with scale = max |x| / 127 over the 32
//          columns, and 4 products are one instruction where the device has cl_khr_integer_dot_product.

#define ITEMS (16 * LINES)
#define ROWS (TILE_M / LINES)
#define FEATURES (TILE_N / 16)
#define X_STRIDE (TILE_M + 1)  // neighbours that write one row's columns do not meet in a bank

#if BYTES
#define DEPTH 8  // words of 4 columns
#define HALVES (2 * TILE_M)
typedef uint value;

// Sum of the products of 4 unsigned bytes and 4 signed ones.
#ifdef __opencl_c_integer_dot_product_input_4x8bit_packed
#define DOT4(w, x) dot_4x8packed_us_int((w), (x))
#else
inline int DOT4(uint w, uint x) {
  const int4 a = convert_int4(as_uchar4(w)) * convert_int4(as_char4(x));
  return a.x + a.y + a.z + a.w;
}
#endif
#else
#define DEPTH 32
typedef float value;
#endif

// Of one panel at a block of columns. Panels beyond the last repeat it and are not stored.
inline global const uchar* block_of(global const uchar* weights, const OpArgs a, long panel, long block) {
  return weights + (min(panel, (a.n + 15) / 16 - 1) * ((a.k + 31) / 32) + block) * BLOCK_BYTES;
}

// Likewise rows beyond the last.
inline global const float* row_of(global const float* arena, const OpArgs a, long row) {
  return arena + a.in0 + min(row, a.m - 1) * a.in0_stride;
}

#if BYTES
// A half of a row's block: 16 columns.
inline float16 half_of(global const float* arena, const OpArgs a, long row0, long block, int half_row) {
  return vload16(0, row_of(arena, a, row0 + half_row / 2) + block * 32 + half_row % 2 * 16);
}

inline float most_of(float16 x) {
  const float8 c = fmax(fabs(x.lo), fabs(x.hi));
  const float4 d = fmax(c.lo, c.hi);
  return fmax(fmax(d.x, d.y), fmax(d.z, d.w));
}

// Codes of 16 columns -> 4 words of column xs; returns their sum.
inline int store_codes(float16 x, float inverse, local value* xs) {
  const int16 codes = convert_int16_rte(x * inverse);
  const char16 bytes = convert_char16(codes);
  xs[0] = as_uint(bytes.s0123);
  xs[X_STRIDE] = as_uint(bytes.s4567);
  xs[2 * X_STRIDE] = as_uint(bytes.s89ab);
  xs[3 * X_STRIDE] = as_uint(bytes.scdef);
  const int8 c = codes.lo + codes.hi;
  const int4 d = c.lo + c.hi;
  return d.x + d.y + d.z + d.w;
}
#endif

kernel __attribute__((reqd_work_group_size(16, LINES, 1))) void matmul_tile(global float* arena,
                                                                            global const uchar* weights,
                                                                            const OpArgs a) {
  local value xs[DEPTH * X_STRIDE], ws[DEPTH * TILE_N];
  // m is the same for the whole launch: either every work-item meets the barriers or none does.
  if (a.m == 0) return;
  const int lane = (int)get_local_id(0), line = (int)get_local_id(1), me = line * 16 + lane;
  const long panel0 = (long)get_group_id(0) * FEATURES, row0 = (long)get_group_id(1) * TILE_M;
  const long blocks = (a.k + 31) / 32;

#if BYTES
  local float most[HALVES], x_scale[TILE_M], w_scale[GROUPS * TILE_N];
  local float x_sum[HALVES];  // of codes, times the scale
#if MIN_BYTES > 0
  local float w_min[TILE_N];
#endif
#endif
  float acc[ROWS][FEATURES];
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
#pragma unroll
    for (int f = 0; f < FEATURES; ++f) acc[r][f] = 0.0f;
  }

  for (long b = 0; b < blocks; ++b) {
#if BYTES
    for (int i = me; i < HALVES; i += ITEMS) most[i] = most_of(half_of(arena, a, row0, b, i));
    for (int i = me; i < TILE_N * WORDS; i += ITEMS) {
      const int at = i / (16 * WORDS) * 16 + i % 16, w = i / 16 % WORDS;
      const uint word = load_word(block_of(weights, a, panel0 + at / 16, b), w, at % 16);
#if BITS == 4
      ws[2 * w * TILE_N + at] = word & 0x0f0f0f0fu;
      ws[(2 * w + 1) * TILE_N + at] = (word >> 4) & 0x0f0f0f0fu;
#else
      ws[w * TILE_N + at] = word;
#endif
    }
    for (int i = me; i < TILE_N; i += ITEMS) {
      global const uchar* block = block_of(weights, a, panel0 + i / 16, b);
      for (int g = 0; g < GROUPS; ++g) w_scale[g * TILE_N + i] = load_scale(block, g, i % 16);
#if MIN_BYTES > 0
      w_min[i] = load_min(block, i % 16);
#endif
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = me; i < HALVES; i += ITEMS) {
      const float16 x = half_of(arena, a, row0, b, i);
      const float largest = fmax(most[i], most[i ^ 1]);
      const float inverse = codes_per_unit(largest);
      // fmax passes over NaN, and codes hold neither that nor infinity: 0 * x is NaN for both, and 0 for the rest.
      const float16 zero = x * 0.0f;
      const float4 z = zero.s0123 + zero.s4567 + zero.s89ab + zero.scdef;
      const float scale = largest / 127.0f + (z.x + z.y + z.z + z.w);
      x_sum[i] = scale * (float)store_codes(x, inverse, xs + i % 2 * 4 * X_STRIDE + i / 2);
      if (i % 2 == 0) x_scale[i / 2] = largest / 127.0f;
    }
#else
    for (int i = me; i < TILE_M * 32; i += ITEMS) {
      const long column = b * 32 + i % 32;
      xs[i % 32 * X_STRIDE + i / 32] = column < a.k ? row_of(arena, a, row0 + i / 32)[column] : 0.0f;
    }
#if GROUPS == 0
    for (int i = me; i < TILE_N * 32; i += ITEMS) {
      const int at = i / 512 * 16 + i % 16, column = i / 16 % 32;
      ws[column * TILE_N + at] = load_element(block_of(weights, a, panel0 + at / 16, b), column, at % 16);
    }
#else
    for (int i = me; i < TILE_N * WORDS; i += ITEMS) {
      const int at = i / (16 * WORDS) * 16 + i % 16, w = i / 16 % WORDS;
      global const uchar* block = block_of(weights, a, panel0 + at / 16, b);
      const uint word = load_word(block, w, at % 16);
      const float scale = load_scale(block, w / (WORDS / GROUPS), at % 16);
#if MIN_BYTES > 0
      const float shift = load_min(block, at % 16);
#else
      const float shift = -(float)ZERO * scale;
#endif
#pragma unroll
      for (int j = 0; j < WORD_COLUMNS; ++j) {
        const float q = (float)((word >> (j * BITS)) & CODE_MASK);
        ws[(w * WORD_COLUMNS + COLUMN_OF(j)) * TILE_N + at] = fma(q, scale, shift);
      }
    }
#endif
#endif
    barrier(CLK_LOCAL_MEM_FENCE);

#if BYTES
    for (int g = 0; g < GROUPS; ++g) {
      int dots[ROWS][FEATURES];
#pragma unroll
      for (int r = 0; r < ROWS; ++r) {
#pragma unroll
        for (int f = 0; f < FEATURES; ++f) dots[r][f] = 0;
      }
      for (int d = DEPTH / GROUPS * g; d < DEPTH / GROUPS * (g + 1); ++d) {
        value w[FEATURES];
#pragma unroll
        for (int f = 0; f < FEATURES; ++f) w[f] = ws[d * TILE_N + 16 * f + lane];
#pragma unroll
        for (int r = 0; r < ROWS; ++r) {
          const value x = xs[d * X_STRIDE + line * ROWS + r];
#pragma unroll
          for (int f = 0; f < FEATURES; ++f) dots[r][f] += DOT4(w[f], x);
        }
      }
#pragma unroll
      for (int r = 0; r < ROWS; ++r) {
        const int row = line * ROWS + r;
        const float sum = GROUPS == 2 ? x_sum[2 * row + g] : x_sum[2 * row] + x_sum[2 * row + 1];
#pragma unroll
        for (int f = 0; f < FEATURES; ++f) {
          const int at = 16 * f + lane;
          const float product = (float)dots[r][f] * x_scale[row];
#if MIN_BYTES > 0
          acc[r][f] = fma(product, w_scale[at], fma(sum, w_min[at], acc[r][f]));
#else
          acc[r][f] = fma(fma(-(float)ZERO, sum, product), w_scale[g * TILE_N + at], acc[r][f]);
#endif
        }
      }
    }
#else
    for (int d = 0; d < DEPTH; ++d) {
      value w[FEATURES];
#pragma unroll
      for (int f = 0; f < FEATURES; ++f) w[f] = ws[d * TILE_N + 16 * f + lane];
#pragma unroll
      for (int r = 0; r < ROWS; ++r) {
        const value x = xs[d * X_STRIDE + line * ROWS + r];
#pragma unroll
        for (int f = 0; f < FEATURES; ++f) acc[r][f] = fma(x, w[f], acc[r][f]);
      }
    }
#endif
    barrier(CLK_LOCAL_MEM_FENCE);
  }

#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
    const long row = row0 + line * ROWS + r;
#pragma unroll
    for (int f = 0; f < FEATURES; ++f) {
      const long feature = (panel0 + f) * 16 + lane;
      if (row >= a.m || feature >= a.n) continue;
      const float residual = a.in1 >= 0 ? arena[a.in1 + row * a.in1_stride + feature] : 0.0f;
      arena[a.out + row * a.out_stride + feature] = acc[r][f] + residual;
    }
  }
}
