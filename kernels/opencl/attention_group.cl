// attention on any device: causal, grouped query heads, softmax computed while reading (online).
//
// One work-group of GROUP work-items: one query head of one row. A tile is GROUP keys:
//   first     work-item j scores key j of the tile
//   then      work-item d sums column d, d + GROUP ... of the values: neighbours read neighbouring columns
//
// Columns of a work-item: COLUMNS = head_dim / GROUP, rounded up.

kernel void attention_group(global float* arena, global const uchar* unused, const OpArgs a) {
  local float weight[GROUP];
  local float query[HEAD_DIM];
  const int me = (int)get_local_id(0);
  const long head = get_group_id(0);
  const long row = get_group_id(1);
  // m is the same for the whole launch: either every work-item meets the barriers or none does.
  if (a.m == 0) return;
  const long kv_head = head / (a.heads / a.kv_heads);
  global const float* key0 = arena + a.in1 + kv_head * HEAD_DIM;
  global const float* value0 = arena + a.in2 + kv_head * HEAD_DIM;
  const long keys = a.position + row + 1;

  for (int d = me; d < HEAD_DIM; d += GROUP) {
    query[d] = arena[a.in0 + row * a.in0_stride + head * HEAD_DIM + d] * a.attention_scale;
  }
  float sums[COLUMNS];
  for (int c = 0; c < COLUMNS; ++c) sums[c] = 0.0f;
  float best = -INFINITY;
  float total = 0.0f;
  barrier(CLK_LOCAL_MEM_FENCE);

  for (long first = 0; first < keys; first += GROUP) {
    const int count = (int)min((long)GROUP, keys - first);
    float score = -INFINITY;
    if (me < count) {
      global const float* key = key0 + (first + me) * a.in1_stride;
      score = 0.0f;
      for (int d = 0; d < HEAD_DIM; ++d) score = fma(query[d], key[d], score);
    }
    weight[me] = score;
    barrier(CLK_LOCAL_MEM_FENCE);
    // Every work-item repeats this short reduction: cheaper than two more trees of barriers at these sizes.
    float top = best;
    for (int j = 0; j < count; ++j) top = fmax(top, weight[j]);
    barrier(CLK_LOCAL_MEM_FENCE);
    weight[me] = me < count ? exp(score - top) : 0.0f;
    barrier(CLK_LOCAL_MEM_FENCE);
    const float rescale = exp(best - top);
    best = top;
    total *= rescale;
    for (int j = 0; j < count; ++j) total += weight[j];
    for (int c = 0; c < COLUMNS; ++c) {
      const int d = me + c * GROUP;
      if (d >= HEAD_DIM) break;
      float v = sums[c] * rescale;
      for (int j = 0; j < count; ++j) v = fma(weight[j], value0[(first + j) * a.in2_stride + d], v);
      sums[c] = v;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  for (int c = 0; c < COLUMNS; ++c) {
    const int d = me + c * GROUP;
    if (d < HEAD_DIM) arena[a.out + row * a.out_stride + head * HEAD_DIM + d] = sums[c] / total;
  }
}
