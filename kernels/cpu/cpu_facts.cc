// Asks the processor (x86: cpuid and the saved register state, through the compiler's runtime; ARM: the kernel's
// hardware capabilities). No state.
#include "kernels/cpu/cpu_facts.h"

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace hetero {

HardwareFacts detect_cpu_facts() {
  HardwareFacts facts;
#if defined(__x86_64__)
  // __builtin_cpu_supports is false for sets whose registers the operating system does not save (XGETBV).
  __builtin_cpu_init();
  // F16C has no name there in GCC 12; every processor with AVX2 and FMA has it.
  facts.avx2 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
  facts.avx512 = facts.avx2 && __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
                 __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512dq") != 0;
  facts.avx512_vnni = facts.avx512 && __builtin_cpu_supports("avx512vnni") != 0;
  facts.avx512_bf16 = facts.avx512 && __builtin_cpu_supports("avx512bf16") != 0;
#elif defined(__aarch64__) && defined(__linux__)
  facts.neon = true;
  facts.neon_dotprod = (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#if defined(HWCAP2_I8MM)
  facts.neon_i8mm = (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0;
#endif
#endif
  return facts;
}

}  // namespace hetero
