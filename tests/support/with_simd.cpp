// SPDX-License-Identifier: MIT
// with_simd LEVEL PROGRAM [ARGUMENT...]: runs PROGRAM with GAVEL_SIMD=LEVEL. Where the processor lacks the level it says so and exits
// with 77, which CTest reports as "skipped". Without PROGRAM it only answers whether the level is there.
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <unistd.h>

namespace {

bool processor_has(std::string_view level) {
  if (level == "portable") return true;
#if defined(__x86_64__) || defined(__i386__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (level == "avx2") return avx2;
  if (level == "avx512") {
    return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
  }
#endif
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: with_simd portable|avx2|avx512 [PROGRAM [ARGUMENT...]]\n");
    return 2;
  }
  if (!processor_has(argv[1])) {
    std::printf("skipped: this processor has no %s\n", argv[1]);
    return 77;
  }
  if (argc == 2) return 0;
  setenv("GAVEL_SIMD", argv[1], 1);
  execvp(argv[2], argv + 2);
  std::perror(argv[2]);
  return 2;
}
