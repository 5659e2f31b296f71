// attention on a CPU device, LANES == 16: causal, grouped query heads, softmax computed while reading (online).
//
// One work-item: one key/value head, ROWS query rows, and all GROUP_HEADS query heads that share the key head.
//
//   tile       16 keys, transposed once -> kt[HEAD_DIM][16] (private), used by ROWS * GROUP_HEADS queries
//   query      scores of 16 keys in one vector; best, total and out[HEAD_DIM] are rescaled when a better score comes
//
// Keys are rows of the cache from row 0 on; query row i sees keys [0, position + i].

#define QUERIES (ROWS * GROUP_HEADS)

WIDE kernel void attention_wide(global float* arena, global const uchar* unused, const OpArgs a) {
  const long kv_head = get_global_id(0);
  const long row0 = (long)get_global_id(1) * ROWS;
  const int rows = (int)min((long)ROWS, a.m - row0);
  if (rows <= 0) return;
  const int queries = rows * GROUP_HEADS;
  const long keys = a.position + row0 + rows;  // that the last row sees
  global const float* key0 = arena + a.in1 + kv_head * HEAD_DIM;
  global const float* value0 = arena + a.in2 + kv_head * HEAD_DIM;

  private float query[QUERIES * HEAD_DIM];
  private float sums[QUERIES * HEAD_DIM];
  private float best[QUERIES];
  private float total[QUERIES];
  private float kt[HEAD_DIM * 16];
  for (int i = 0; i < queries; ++i) {
    global const float* q = arena + a.in0 + (row0 + i / GROUP_HEADS) * a.in0_stride +
                            (kv_head * GROUP_HEADS + i % GROUP_HEADS) * HEAD_DIM;
    for (int d = 0; d < HEAD_DIM; ++d) {
      query[i * HEAD_DIM + d] = q[d] * a.attention_scale;
      sums[i * HEAD_DIM + d] = 0.0f;
    }
    best[i] = -INFINITY;
    total[i] = 0.0f;
  }

  const float16 lane = (float16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  for (long first = 0; first < keys; first += 16) {
    for (int j = 0; j < 16; ++j) {
      // Keys beyond the last repeat it and are masked below.
      global const float* key = key0 + min(first + j, keys - 1) * a.in1_stride;
      for (int d = 0; d < HEAD_DIM; ++d) kt[d * 16 + j] = key[d];
    }
    for (int i = 0; i < queries; ++i) {
      const long seen = a.position + row0 + i / GROUP_HEADS + 1 - first;  // keys of this tile that row i sees
      if (seen <= 0) continue;
      float16 s0 = 0.0f, s1 = 0.0f;
      for (int d = 0; d + 1 < HEAD_DIM; d += 2) {
        s0 = fma((float16)(query[i * HEAD_DIM + d]), vload16(d, kt), s0);
        s1 = fma((float16)(query[i * HEAD_DIM + d + 1]), vload16(d + 1, kt), s1);
      }
      if (HEAD_DIM % 2 == 1) s0 = fma((float16)(query[i * HEAD_DIM + HEAD_DIM - 1]), vload16(HEAD_DIM - 1, kt), s0);
      float16 score = s0 + s1;
      if (seen < 16) score = select((float16)(-INFINITY), score, lane < (float16)((float)seen));
      const float top = fmax(best[i], max_lanes(score));
      const float16 weight = exp(score - top);
      const float rescale = exp(best[i] - top);
      best[i] = top;
      total[i] = total[i] * rescale + sum_lanes(weight);
      private float w[16];
      vstore16(weight, 0, w);
      const int count = (int)min(seen, 16L);
      private float* sum = sums + i * HEAD_DIM;
      int d = 0;
      for (; d + 16 <= HEAD_DIM; d += 16) {
        float16 even = vload16(0, sum + d) * rescale, odd = 0.0f;
        global const float* value = value0 + first * a.in2_stride + d;
        for (int j = 0; j + 1 < count; j += 2) {
          even = fma((float16)(w[j]), vload16(0, value + j * a.in2_stride), even);
          odd = fma((float16)(w[j + 1]), vload16(0, value + (j + 1) * a.in2_stride), odd);
        }
        if (count % 2 == 1) even = fma((float16)(w[count - 1]), vload16(0, value + (count - 1) * a.in2_stride), even);
        vstore16(even + odd, 0, sum + d);
      }
      for (; d < HEAD_DIM; ++d) {
        float v = sum[d] * rescale;
        for (int j = 0; j < count; ++j) v = fma(w[j], value0[(first + j) * a.in2_stride + d], v);
        sum[d] = v;
      }
    }
  }
  for (int i = 0; i < queries; ++i) {
    global float* out = arena + a.out + (row0 + i / GROUP_HEADS) * a.out_stride +
                        (kv_head * GROUP_HEADS + i % GROUP_HEADS) * HEAD_DIM;
    const float scale = 1.0f / total[i];
    for (int d = 0; d < HEAD_DIM; ++d) out[d] = sums[i * HEAD_DIM + d] * scale;
  }
}
