// matmul with activations quantised to 8 bits: integer products, so that in decode a core keeps up with its memory, and
// in prefill a vector instruction does twice the work of a float one. LANES == 16.
//
// One work-item: ROWS_BLOCK rows, PANELS panels (16 * PANELS output features), all of k. Panels follow each other in
// memory, so in decode a work-item reads one linear stream.
//
//   first      x in blocks of 32 -> x_codes, x_scale = max |x| / 127, and per group of a block x_shift, the part of the
//              result that depends on the sum of x only: -ZERO * scale * sum of codes, or scale * sum of codes where
//              the kind has a min
//   tile       ROWS rows x 16 features in registers: acc += scale * (x_scale * sum of codes * q + x_shift), over k
//
// Every work-item quantises its rows anew: some 3 % of its work, and no kernel or buffer more.
//
// Codes are stored as the products want them, one dword for each 4 columns (bytes) or 2 columns (shorts):
//   bytes      4-bit weights where the compiler knows AVX-512's byte product: nibble * code, pairs added in 16 bits.
//              A pair is at most 2 * 15 * 127, so the 8 pairs of a block fit.
//   shorts     everything else: columns (0, 2) and (1, 3) of each 4, times the even and odd bytes of a word
//
// One Zen 5 core, PoCL 3.1, q4_0: in decode 32 GB/s (matmul_gemv: 16) where plain reading gives 36; PREFETCH 4096 bytes
// ahead is 1.1x of 2048 and 1.2x of none. In prefill 418 GFLOPS (matmul_gemm: 195) with ROWS 4; 8 rows give 325. Loops
// over ROWS must unroll, or acc lives in memory: 1.4x slower.

#define BLOCKS ((COLUMNS + 31) / 32)

// Names of instructions, where the compiler has them; otherwise the same in plain vectors.
#if defined(__AVX512BW__) && defined(__has_builtin)
#if __has_builtin(__builtin_ia32_pmaddubsw512) && __has_builtin(__builtin_ia32_pmaddwd512)
#define BYTE_PRODUCTS 1
typedef char char64 __attribute__((ext_vector_type(64)));
typedef short short32 __attribute__((ext_vector_type(32)));
#define AS_CHAR64(v) __builtin_astype((v), char64)
#define AS_SHORT32(v) __builtin_astype((v), short32)
// 16 sums of two neighbouring 16-bit products.
inline int16 pair_products(uint16 a, uint16 b) { return __builtin_ia32_pmaddwd512(AS_SHORT32(a), AS_SHORT32(b)); }
#endif
#endif
#ifndef BYTE_PRODUCTS
#define BYTE_PRODUCTS 0
inline int16 pair_products(uint16 a, uint16 b) {
  const int16 low = (as_int16(a) << 16 >> 16) * (as_int16(b) << 16 >> 16);
  return low + (as_int16(a) >> 16) * (as_int16(b) >> 16);
}
#endif
#define BYTES (BYTE_PRODUCTS && BITS == 4)  // how codes are stored
#if BYTES
#define DWORDS 8  // of codes in a block
#else
#define DWORDS 16
#endif

inline void store_codes(int16 codes, private uint* to) {
#if BYTES
  vstore16(convert_char16(codes), 0, (private char*)to);
#else
  vstore16(convert_short16(codes).s021346578a9bcedf, 0, (private short*)to);
#endif
}

// x[0, count) of a block of 32, zeros beyond.
inline void quantise_block(global const float* x, long count, private uint* codes, private float* scale,
                           private float* shifts) {
  float16 a, b;
  load_columns(x, count, &a, &b);
  const float most = max_lanes(fmax(fabs(a), fabs(b)));
  const float inverse = codes_per_unit(most);
  const int16 low = codes_of(a, inverse), high = codes_of(b, inverse);
  // Codes cannot hold NaN or infinity, and fmax passes over NaN: 0 * x is NaN for both, and 0 for the rest.
  *scale = most / 127.0f + sum_lanes((a + b) * 0.0f);
  const float unit = MIN_BYTES > 0 ? *scale : -(float)ZERO * *scale;
#if GROUPS == 2
  shifts[0] = unit * (float)sum_lanes_int(low);
  shifts[1] = unit * (float)sum_lanes_int(high);
#else
  shifts[0] = unit * (float)sum_lanes_int(low + high);
#endif
  store_codes(low, codes);
  store_codes(high, codes + DWORDS / 2);
}

// Sum over a group's columns of code * q.
inline int16 group_dot(const uint16* words, int group, const private uint* codes) {
  int16 sum = 0;
#if BYTES
  short32 pairs = 0;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const uint16 low = words[i] & 0x0f0f0f0fu, high = (words[i] >> 4) & 0x0f0f0f0fu;
    pairs += __builtin_ia32_pmaddubsw512(AS_CHAR64(low), AS_CHAR64((uint16)(codes[2 * i])));
    pairs += __builtin_ia32_pmaddubsw512(AS_CHAR64(high), AS_CHAR64((uint16)(codes[2 * i + 1])));
  }
  sum = __builtin_ia32_pmaddwd512(pairs, (short32)(1));
#else
#pragma unroll
  for (int i = WORDS / GROUPS * group; i < WORDS / GROUPS * (group + 1); ++i) {
#if BITS == 4
    const uint16 bytes[2] = {words[i] & 0x0f0f0f0fu, (words[i] >> 4) & 0x0f0f0f0fu};
#else
    const uint16 bytes[1] = {words[i]};
#endif
#pragma unroll
    for (int j = 0; j < 8 / BITS; ++j) {
      const private uint* c = codes + 2 * (i * (8 / BITS) + j);
      sum += pair_products(bytes[j] & 0x00ff00ffu, (uint16)(c[0]));
      sum += pair_products((bytes[j] >> 8) & 0x00ff00ffu, (uint16)(c[1]));
    }
  }
#endif
  return sum;
}

// Features [column, column + 16) of a row, as many as there are, with the residual if there is one.
inline void store_row(global float* arena, const OpArgs a, long row, long column, float16 v) {
  global float* out = arena + a.out + row * a.out_stride + column;
  global const float* residual = arena + a.in1 + row * a.in1_stride + column;
  if (column + 16 <= a.n) {
    if (a.in1 >= 0) v += vload16(0, residual);
    vstore16(v, 0, out);
  } else {
    private float tail[16];
    vstore16(v, 0, tail);
    for (int i = 0; i < a.n - column; ++i) out[i] = tail[i] + (a.in1 >= 0 ? residual[i] : 0.0f);
  }
}

WIDE kernel void matmul_q8(global float* arena, global const uchar* weights, const OpArgs a) {
  const long row0 = (long)get_global_id(0) * ROWS_BLOCK;
  const int rows = (int)min((long)ROWS_BLOCK, a.m - row0);
  if (rows <= 0) return;
  const long panels = (a.n + 15) / 16;
  const long first_panel = (long)get_global_id(1) * PANELS;
  const int here = (int)min((long)PANELS, panels - first_panel);

  private uint x_codes[ROWS_BLOCK * BLOCKS * DWORDS] __attribute__((aligned(64)));
  private float x_scale[ROWS_BLOCK * BLOCKS];
  private float x_shift[ROWS_BLOCK * BLOCKS * GROUPS];
  for (int r = 0; r < rows; ++r) {
    for (int b = 0; b < BLOCKS; ++b) {
      const int at = r * BLOCKS + b;
      quantise_block(arena + a.in0 + (row0 + r) * a.in0_stride + b * 32, COLUMNS - b * 32, x_codes + at * DWORDS,
                     x_scale + at, x_shift + at * GROUPS);
    }
  }

  for (int p = 0; p < here; ++p) {
    const long column = (first_panel + p) * 16;
    for (int tile = 0; tile < rows; tile += ROWS) {
      float16 acc[ROWS];
      int first[ROWS];  // block of each row; rows beyond the last repeat it and are not stored
#pragma unroll
      for (int r = 0; r < ROWS; ++r) {
        acc[r] = 0.0f;
        first[r] = min(tile + r, rows - 1) * BLOCKS;
      }
      global const uchar* block = weights + (first_panel + p) * BLOCKS * BLOCK_BYTES;
      for (int b = 0; b < BLOCKS; ++b, block += BLOCK_BYTES) {
        uint16 words[WORDS];
#pragma unroll
        for (int i = 0; i < WORDS; ++i) words[i] = load_word(block, i, 0);
#if PREFETCH > 0
#pragma unroll
        for (int i = 0; i < BLOCK_BYTES; i += 64) __builtin_prefetch((const global char*)block + i + PREFETCH);
#endif
#pragma unroll
        for (int g = 0; g < GROUPS; ++g) {
          const float16 scale = load_scale(block, g, 0);
#pragma unroll
          for (int r = 0; r < ROWS; ++r) {
            const int at = first[r] + b;
            const float16 dot = convert_float16(group_dot(words, g, x_codes + at * DWORDS));
            const float shift = x_shift[at * GROUPS + g];
#if MIN_BYTES > 0
            acc[r] = fma(dot * x_scale[at], scale, acc[r]);
            acc[r] = fma((float16)(shift), load_min(block, 0), acc[r]);
#else
            acc[r] = fma(fma(dot, (float16)(x_scale[at]), (float16)(shift)), scale, acc[r]);
#endif
          }
        }
      }
#pragma unroll
      for (int r = 0; r < ROWS; ++r) {
        if (tile + r < rows) store_row(arena, a, row0 + tile + r, column, acc[r]);
      }
    }
  }
}
