// Small kernels by which the device is examined when it is opened.

// Adds one to the first word: shows whether host and device see each other's writes.
kernel void hetero_probe_share(global uint* words) { words[0] += 1; }

// Keeps every compute unit busy for a while: shows where the work runs.
kernel void hetero_probe_busy(global float* out, const int rounds) {
  float v = (float)get_global_id(0);
  for (int i = 0; i < rounds; ++i) v = fma(v, 0.999f, 0.001f);
  out[get_global_id(0)] = v;
}

// Says that all before it in the queue is done, then watches until the bell has this number or `rounds` are over
// (cl_doorbell.h). Words 0, 16 and 32: the latest that arrived, the latest rung, the latest that heard the bell.
kernel void hetero_doorbell(volatile global uint* words, const uint number, const uint rounds) {
  mem_fence(CLK_GLOBAL_MEM_FENCE);
  words[0] = number;
  for (uint i = 0; i < rounds; ++i) {
    if ((int)(words[16] - number) >= 0) {
      words[32] = number;
      return;
    }
  }
}
