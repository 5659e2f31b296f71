// swiglu and add. One work-item: columns [CHUNK * id, CHUNK * (id + 1)) of one row. In place is allowed, since an element
// depends on itself only. The kinds of ops differ in COMBINE_*, so one body serves both.

#if SWIGLU
#define COMBINE(g, u) ((g) / (1.0f + exp(-(g))) * (u))
#else
#define COMBINE(g, u) ((g) + (u))
#endif

WIDE kernel void elementwise(global float* arena, global const uchar* unused, const OpArgs a) {
  const long row = get_global_id(1);
  const long first = (long)get_global_id(0) * CHUNK;
  const long last = min(first + CHUNK, a.n);
  if (row >= a.m || first >= last) return;
  global const float* x = arena + a.in0 + row * a.in0_stride;
  global const float* y = arena + a.in1 + row * a.in1_stride;
  global float* out = arena + a.out + row * a.out_stride;
  long c = first;
  for (; c + LANES <= last; c += LANES) {
    const fvec v = LOAD(x + c);
    STORE(COMBINE(v, LOAD(y + c)), out + c);
  }
  for (; c < last; ++c) out[c] = COMBINE(x[c], y[c]);
}
