// Small kernels by which the device is examined when it is opened.

// Adds one to the first word: shows whether host and device see each other's writes.
kernel void hetero_probe_share(global uint* words) { words[0] += 1; }

// Keeps every compute unit busy for a while: shows where the work runs.
kernel void hetero_probe_busy(global float* out, const int rounds) {
  float v = (float)get_global_id(0);
  for (int i = 0; i < rounds; ++i) v = fma(v, 0.999f, 0.001f);
  out[get_global_id(0)] = v;
}
