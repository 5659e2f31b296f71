// What every kernel file begins with: the arguments of an op, and vectors of LANES floats.
//
// Every kernel has the same three parameters: the arena that holds all activations, the op's constant buffer (packed
// weights, norm weights or rope table; unused by the others) and one OpArgs. Offsets and strides count floats of the
// arena. A launch with m == 0 writes nothing: the device uses that to make the driver compile ahead of time.
//
// LANES is 16 where one work-item should compute with wide vectors (CPU devices), or 1 where neighbouring work-items
// are the vector (GPUs). No extension is needed: vload_half is core OpenCL 1.0.

#if defined(__has_attribute)
#if __has_attribute(min_vector_width)
// PoCL's LLVM keeps to 256-bit registers on AVX-512 machines unless a function asks for more.
#define WIDE __attribute__((min_vector_width(512)))
#endif
#endif
#ifndef WIDE
#define WIDE
#endif

// Mirrors hetero::ClOpArgs (cl_kernel.h) field by field.
typedef struct {
  long m, n, k;
  long in0, in0_stride;
  long in1, in1_stride;  // in1 < 0: there is none
  long in2, in2_stride;
  long out, out_stride;
  long heads, kv_heads, head_dim;
  long position;       // sequence position of the op's row 0
  long column_offset;  // rope
  long rope_dims;      // rope
  float eps, attention_scale;
} OpArgs;

// What makes codes of 8 bits of numbers up to `most` in magnitude. Below the smallest normal float it would overflow:
// such numbers count as zero.
inline float codes_per_unit(float most) { return most > 1e-36f ? 127.0f / most : 0.0f; }

#if LANES == 16
typedef float16 fvec;
typedef uint16 uvec;
#define LOAD(p) vload16(0, (p))
#define STORE(v, p) vstore16((v), 0, (p))
#define LOAD_HALF(p) vload_half16(0, (p))
#define TO_FLOAT(u) convert_float16(as_int16(u))
#define AS_FLOAT(u) as_float16(u)
#define TO_UINT(u) convert_uint16(u)

inline float sum_lanes(float16 v) {
  const float8 a = v.lo + v.hi;
  const float4 b = a.lo + a.hi;
  const float2 c = b.lo + b.hi;
  return c.x + c.y;
}
inline float max_lanes(float16 v) {
  const float8 a = fmax(v.lo, v.hi);
  const float4 b = fmax(a.lo, a.hi);
  const float2 c = fmax(b.lo, b.hi);
  return fmax(c.x, c.y);
}
inline int sum_lanes_int(int16 v) {
  const int8 a = v.lo + v.hi;
  const int4 b = a.lo + a.hi;
  const int2 c = b.lo + b.hi;
  return c.x + c.y;
}
// x[0, count) of a block of 32 columns as two vectors, zeros beyond.
inline void load_columns(global const float* x, long count, float16* a, float16* b) {
  if (count >= 32) {
    *a = vload16(0, x);
    *b = vload16(1, x);
  } else {
    float padded[32];
    for (int i = 0; i < 32; ++i) padded[i] = i < count ? x[i] : 0.0f;
    *a = vload16(0, padded);
    *b = vload16(1, padded);
  }
}
// Codes of 16 columns for products of bytes; rounds to nearest by letting the float's last bit be the unit.
inline int16 codes_of(float16 x, float inverse) { return as_int16(fma(x, (float16)(inverse), 0x1.8p23f)) - 0x4b400000; }
#else
typedef float fvec;
typedef uint uvec;
#define LOAD(p) (*(p))
#define STORE(v, p) (*(p) = (v))
#define LOAD_HALF(p) vload_half(0, (p))
#define TO_FLOAT(u) convert_float(as_int(u))
#define AS_FLOAT(u) as_float(u)
#define TO_UINT(u) ((uint)(u))
inline float sum_lanes(float v) { return v; }
#endif
