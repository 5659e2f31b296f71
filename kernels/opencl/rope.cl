// rope: rotates column pairs of every head by an angle that grows with the position. One work-item: one pair of the head,
// in one row, in all heads of this part, so that sine and cosine are computed once. In place is allowed.
//
// The constant buffer holds, per pair, the angle of one position as a fraction of a full turn, times 2^64. Multiplying by
// the position wraps round exactly like an angle does, so far positions are as exact as near ones.

WIDE kernel void rope(global float* arena, global const uchar* constants, const OpArgs a) {
  const long pair = get_global_id(0);
  const long row = get_global_id(1);
  if (row >= a.m || 2 * pair >= a.head_dim) return;
  global const float* x = arena + a.in0 + row * a.in0_stride;
  global float* out = arena + a.out + row * a.out_stride;
  const bool rotated = 2 * pair < a.rope_dims;
#if HALVES
  const long low = rotated ? pair : 2 * pair;
  const long high = rotated ? pair + a.rope_dims / 2 : 2 * pair + 1;
#else
  const long low = 2 * pair;
  const long high = low + 1;
#endif
  float c = 1.0f, s = 0.0f;
  if (rotated) {
    const ulong turn = ((global const ulong*)constants)[pair] * (ulong)(a.position + row);
    const float angle = (float)(int)(turn >> 32) * 0x1.921fb6p-30f;  // 2 pi / 2^32
    c = cos(angle);
    s = sin(angle);
  }
  // The part's first column may lie within a head (interleaved style only).
  const long head_begin = a.column_offset % a.head_dim;
  for (long column = low >= head_begin ? low - head_begin : low - head_begin + a.head_dim; column < a.n;
       column += a.head_dim) {
    const float p = x[column];
    const float q = x[column + high - low];
    out[column] = p * c - q * s;
    out[column + high - low] = p * s + q * c;
  }
}
