// matmul with 8-bit activations for processors with AVX-512 VNNI, many rows. LANES == 16.
//
// PoCL's LLVM may not know the processor and compile for an older one, so the instruction is asked for by name: a
// function with its own target, which the kernel calls for a tile. The host chooses this kernel only where the device is
// this machine's processor and has the instruction.
//
// One work-item: ROWS_BLOCK rows, PANELS panels (16 * PANELS output features), all of k.
//
//   first      x in blocks of 32 -> codes = round(x / scale), scale = max |x| / 127
//   tile       ROWS rows x 2 panels in registers; a lone last panel is computed twice
//
// Codes of a tile of ROWS rows, block after block, as dwords:
//
//   float scale[ROWS] | [GROUPS][ROWS] starts (int: -ZERO * sum of codes; kinds with a min: float scale * sum) |
//   codes[8][ROWS]    column 4i + b of row r is byte b of [i][r]

#define BLOCKS ((COLUMNS + 31) / 32)
#define BLOCK_DWORDS (ROWS * (1 + GROUPS + 8))

inline int most_of(int16 v) {
  const int8 a = max(v.lo, v.hi);
  const int4 b = max(a.lo, a.hi);
  const int2 c = max(b.lo, b.hi);
  return max(c.x, c.y);
}

// x[0, count) of a block of 32, zeros beyond, to row r of a tile's block.
inline void quantise_block(global const float* x, long count, int r, private uint* to) {
  float16 a, b;
  load_columns(x, count, &a, &b);
  // Magnitudes as integers have the same order, infinity and NaN at its end: they get into the scale.
  const float most = as_float(most_of(max(as_int16(a) & 0x7fffffff, as_int16(b) & 0x7fffffff)));
  const float inverse = codes_per_unit(most);
  const int16 low = codes_of(a, inverse), high = codes_of(b, inverse);
  const float scale = most / 127.0f;
  to[r] = as_uint(scale);
#if MIN_BYTES > 0
  to[ROWS + r] = as_uint(scale * (float)sum_lanes_int(low + high));
#elif GROUPS == 2
  to[ROWS + r] = as_uint(-ZERO * sum_lanes_int(low));
  to[2 * ROWS + r] = as_uint(-ZERO * sum_lanes_int(high));
#else
  to[ROWS + r] = as_uint(-ZERO * sum_lanes_int(low + high));
#endif
  const char16 bytes[2] = {convert_char16(low), convert_char16(high)};
  const private uint* quads = (const private uint*)bytes;
  for (int i = 0; i < 8; ++i) to[(1 + GROUPS + i) * ROWS + r] = quads[i];
}

// The product of a tile: out[row][32 features].
__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"), noinline)) void multiply_tile(
    global const uchar* panel0, global const uchar* panel1, const private uint* a, private float* out) {
  float16 left[ROWS], right[ROWS];
#pragma unroll
  for (int r = 0; r < ROWS; ++r) left[r] = right[r] = 0.0f;
  for (int b = 0; b < BLOCKS; ++b, panel0 += BLOCK_BYTES, panel1 += BLOCK_BYTES, a += BLOCK_DWORDS) {
    const private uint* codes = a + (1 + GROUPS) * ROWS;
#pragma unroll
    for (int g = 0; g < GROUPS; ++g) {
      int16 sum0[ROWS], sum1[ROWS];
#pragma unroll
      for (int r = 0; r < ROWS; ++r) sum0[r] = sum1[r] = MIN_BYTES > 0 ? 0 : as_int(a[(1 + g) * ROWS + r]);
#pragma unroll
      for (int i = WORDS / GROUPS * g; i < WORDS / GROUPS * (g + 1); ++i) {
        const uint16 w0 = load_word(panel0, i, 0), w1 = load_word(panel1, i, 0);
#if BITS == 4
        const uint16 q0[2] = {w0 & 0x0f0f0f0fu, (w0 >> 4) & 0x0f0f0f0fu};
        const uint16 q1[2] = {w1 & 0x0f0f0f0fu, (w1 >> 4) & 0x0f0f0f0fu};
#else
        const uint16 q0[1] = {w0}, q1[1] = {w1};
#endif
#pragma unroll
        for (int j = 0; j < 8 / BITS; ++j) {
#pragma unroll
          for (int r = 0; r < ROWS; ++r) {
            const int16 code = (int16)(as_int(codes[(i * (8 / BITS) + j) * ROWS + r]));
            sum0[r] = __builtin_ia32_vpdpbusd512(sum0[r], as_int16(q0[j]), code);
            sum1[r] = __builtin_ia32_vpdpbusd512(sum1[r], as_int16(q1[j]), code);
          }
        }
      }
      const float16 scale0 = load_scale(panel0, g, 0), scale1 = load_scale(panel1, g, 0);
#pragma unroll
      for (int r = 0; r < ROWS; ++r) {
        const float16 scale = (float16)(as_float(a[r]));
        left[r] = fma(convert_float16(sum0[r]), scale0 * scale, left[r]);
        right[r] = fma(convert_float16(sum1[r]), scale1 * scale, right[r]);
      }
    }
#if MIN_BYTES > 0
    const float16 min0 = load_min(panel0, 0), min1 = load_min(panel1, 0);
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
      const float16 shift = (float16)(as_float(a[ROWS + r]));
      left[r] = fma(min0, shift, left[r]);
      right[r] = fma(min1, shift, right[r]);
    }
#endif
  }
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
    vstore16(left[r], 2 * r, out);
    vstore16(right[r], 2 * r + 1, out);
  }
}

WIDE kernel void matmul_vnni(global float* arena, global const uchar* weights, const OpArgs a) {
  const long row0 = (long)get_global_id(0) * ROWS_BLOCK;
  const int rows = (int)min((long)ROWS_BLOCK, a.m - row0);
  if (rows <= 0) return;
  const long panels = (a.n + 15) / 16;
  const long first_panel = (long)get_global_id(1) * PANELS;
  const long last_panel = min(first_panel + PANELS, panels) - 1;
  const int tiles = (rows + ROWS - 1) / ROWS;

  private uint codes[(ROWS_BLOCK + ROWS - 1) / ROWS * BLOCKS * BLOCK_DWORDS] __attribute__((aligned(64)));
  for (int r = 0; r < tiles * ROWS; ++r) {
    // Rows beyond the last repeat it; they are not stored.
    global const float* x = arena + a.in0 + (row0 + min(r, rows - 1)) * a.in0_stride;
    private uint* tile = codes + r / ROWS * BLOCKS * BLOCK_DWORDS;
    for (int b = 0; b < BLOCKS; ++b) quantise_block(x + b * 32, COLUMNS - b * 32, r % ROWS, tile + b * BLOCK_DWORDS);
  }

  for (long panel = first_panel; panel <= last_panel; panel += 2) {
    global const uchar* block0 = weights + panel * BLOCKS * BLOCK_BYTES;
    global const uchar* block1 = weights + min(panel + 1, last_panel) * BLOCKS * BLOCK_BYTES;
    const long column = panel * 16;
    for (int tile = 0; tile < tiles; ++tile) {
      private float result[ROWS * 32] __attribute__((aligned(64)));
      multiply_tile(block0, block1, codes + tile * BLOCKS * BLOCK_DWORDS, result);
      for (int r = 0; r < ROWS && tile * ROWS + r < rows; ++r) {
        const long row = row0 + tile * ROWS + r;
        global float* out = arena + a.out + row * a.out_stride + column;
        global const float* residual = arena + a.in1 + row * a.in1_stride + column;
        if (column + 32 <= a.n && panel < last_panel) {
          for (int i = 0; i < 2; ++i) {
            float16 v = vload16(2 * r + i, result);
            if (a.in1 >= 0) v += vload16(i, residual);
            vstore16(v, i, out);
          }
        } else {
          const int count = (int)min(a.n - column, (last_panel - panel + 1) * 16);
          for (int i = 0; i < count; ++i) out[i] = result[r * 32 + i] + (a.in1 >= 0 ? residual[i] : 0.0f);
        }
      }
    }
  }
}
