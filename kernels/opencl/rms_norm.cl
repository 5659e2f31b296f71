// rms_norm: out = in / sqrt(mean(in^2) + eps) * weight. One work-group of GROUP work-items per row; each takes every
// GROUP-th vector of the row, and the sums meet in local memory.

WIDE kernel void rms_norm(global float* arena, global const uchar* constants, const OpArgs a) {
  local float sums[GROUP];
  const long row = get_group_id(0);
  const int me = (int)get_local_id(0);
  // m is the same for the whole launch: either every work-item meets the barriers or none does.
  if (a.m == 0) return;
  global const float* x = arena + a.in0 + row * a.in0_stride;
  global const float* weight = (global const float*)constants;
  global float* out = arena + a.out + row * a.out_stride;
  const long vectors = a.n / LANES;

  fvec squares = 0.0f;
  for (long i = me; i < vectors; i += GROUP) {
    const fvec v = LOAD(x + i * LANES);
    squares = fma(v, v, squares);
  }
  float sum = sum_lanes(squares);
  for (long c = vectors * LANES + me; c < a.n; c += GROUP) sum = fma(x[c], x[c], sum);
  sums[me] = sum;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int half_size = GROUP / 2; half_size > 0; half_size /= 2) {
    if (me < half_size) sums[me] += sums[me + half_size];
    barrier(CLK_LOCAL_MEM_FENCE);
  }

  const float scale = 1.0f / sqrt(sums[0] / (float)a.n + a.eps);
  for (long i = me; i < vectors; i += GROUP) {
    STORE(LOAD(x + i * LANES) * scale * LOAD(weight + i * LANES), out + i * LANES);
  }
  for (long c = vectors * LANES + me; c < a.n; c += GROUP) out[c] = x[c] * scale * weight[c];
}
