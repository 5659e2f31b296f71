// Reading of packed weights: panels of 16 output features, blocks of 32 columns (drawn in kernels/cpu/pack.h, whose
// packing the OpenCL family shares).
//
//   quantised block   [scale[GROUPS][16] | min[16] | word[8 * BITS / 8][16]]     lane = feature
//                     8 bits: byte b of word i is column 4i + b
//                     4 bits: nibble 2b of word i is column 8i + b, nibble 2b + 1 is column 8i + 4 + b
//   float block       element[32 columns][16]
//
//   weight = scale * (q - ZERO) + min
//
// Defined by the host: BITS, GROUPS (0: float kind), SCALE_BYTES, MIN_BYTES, ZERO, BLOCK_BYTES, MINS_OFFSET,
// QUANTS_OFFSET, BF16. `lane` is the feature within the panel where LANES is 1, and 0 where it is 16.

inline fvec load_figure(global const uchar* p, int bytes, int lane) {
  return bytes == 2 ? LOAD_HALF((global const half*)p + lane) : LOAD((global const float*)p + lane);
}

inline fvec load_scale(global const uchar* block, int group, int lane) {
  return load_figure(block + group * 16 * SCALE_BYTES, SCALE_BYTES, lane);
}

inline fvec load_min(global const uchar* block, int lane) { return load_figure(block + MINS_OFFSET, MIN_BYTES, lane); }

inline uvec load_word(global const uchar* block, int i, int lane) {
  return LOAD((global const uint*)(block + QUANTS_OFFSET) + i * 16 + lane);
}

// Element of a float block.
inline fvec load_element(global const uchar* block, int column, int lane) {
#if BITS == 32
  return LOAD((global const float*)block + column * 16 + lane);
#elif BF16
  return AS_FLOAT(TO_UINT(LOAD((global const ushort*)block + column * 16 + lane)) << 16);
#else
  return LOAD_HALF((global const half*)block + column * 16 + lane);
#endif
}

// Column of the j-th element of a word, counted from its low bits, within the columns of that word.
#if BITS == 4
#define WORD_COLUMNS 8
#define WORDS 4
#define COLUMN_OF(j) ((j) / 2 + 4 * ((j) % 2))
#else
#define WORD_COLUMNS 4
#define WORDS 8
#define COLUMN_OF(j) (j)
#endif
#define CODE_MASK ((1u << BITS) - 1)
