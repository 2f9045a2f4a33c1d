// SPDX-License-Identifier: MIT
// What the machine can do at best, measured beside the kernels: reading so many bytes once, and the arithmetic of one exponential per
// element with everything in registers (10 fused multiply-adds for float: range reduction 3, polynomial 6, scaling 1; 16 for double). No
// call that needs the bytes can be faster than the first, none that takes the exponentials faster than the second. The first depends on
// which cache holds the bytes, so it is measured from 16 KiB to 64 MiB; the second is proportional to the number of elements.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace {

using words = std::uint64_t __attribute__((vector_size(64)));

// Adds up 64-byte blocks; eight sums, so that the additions never wait for each other.
__attribute__((always_inline)) inline std::uint64_t read_body(const unsigned char* data, std::size_t bytes) {
  words sum[8] = {};
  for (std::size_t i = 0; i + 512 <= bytes; i += 512) {
#pragma GCC unroll 8
    for (std::size_t k = 0; k < 8; ++k) {
      words block;
      std::memcpy(&block, data + i + 64 * k, sizeof block);
      sum[k] += block;
    }
  }
  words total = {};
  for (const words& part : sum) total += part;
  std::uint64_t result = 0;
  for (int lane = 0; lane < 8; ++lane) result += total[lane];
  return result;
}

// `steps` fused multiply-adds on each of `elements` values that never leave their registers: eight independent chains of one vector each.
template <class T, std::size_t Bytes>
__attribute__((always_inline)) inline void arithmetic_body(std::size_t elements, std::size_t steps, double* out) {
  typedef T vector __attribute__((vector_size(Bytes)));  // g++ forgets the size of an alias template
  constexpr std::size_t lanes = Bytes / sizeof(T);
  vector chain[8];
  for (std::size_t k = 0; k < 8; ++k) chain[k] = vector{} + T(1);
  const vector factor = chain[0] / T(2);
  const vector shift = chain[0] / T(4);
  const std::size_t rounds = elements / (8 * lanes) * steps;
  for (std::size_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 8
    for (std::size_t k = 0; k < 8; ++k) chain[k] = chain[k] * factor + shift;
  }
  vector total = chain[0];
  for (std::size_t k = 1; k < 8; ++k) total += chain[k];
  *out = static_cast<double>(total[0]);
}

std::uint64_t read_portable(const unsigned char* data, std::size_t bytes) { return read_body(data, bytes); }
void float_portable(std::size_t n, double* out) { arithmetic_body<float, 16>(n, 10, out); }
void double_portable(std::size_t n, double* out) { arithmetic_body<double, 16>(n, 16, out); }

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) std::uint64_t read_avx2(const unsigned char* data, std::size_t bytes) { return read_body(data, bytes); }
__attribute__((target("avx2,fma"))) void float_avx2(std::size_t n, double* out) { arithmetic_body<float, 32>(n, 10, out); }
__attribute__((target("avx2,fma"))) void double_avx2(std::size_t n, double* out) { arithmetic_body<double, 32>(n, 16, out); }
__attribute__((target("avx512f"))) std::uint64_t read_avx512(const unsigned char* data, std::size_t bytes) {
  return read_body(data, bytes);
}
__attribute__((target("avx512f"))) void float_avx512(std::size_t n, double* out) { arithmetic_body<float, 64>(n, 10, out); }
__attribute__((target("avx512f"))) void double_avx512(std::size_t n, double* out) { arithmetic_body<double, 64>(n, 16, out); }
#endif

struct alignas(64) line {
  unsigned char bytes[64] = {};
};

struct best_of_machine {
  std::uint64_t (*read)(const unsigned char*, std::size_t) = read_portable;
  void (*float_exp)(std::size_t, double*) = float_portable;
  void (*double_exp)(std::size_t, double*) = double_portable;
};

best_of_machine choose() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return {read_avx512, float_avx512, double_avx512};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return {read_avx2, float_avx2, double_avx2};
#endif
  return {};
}

[[maybe_unused]] const bool registered = [] {
  const best_of_machine best = choose();
  for (std::size_t bytes = 16384; bytes <= (std::size_t{64} << 20); bytes *= 2) {
    const std::string name = "limit/read/byte/" + std::to_string(bytes) + "/machine";
    benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
      const std::vector<line> lines(bytes / sizeof(line));
      const unsigned char* const data = lines.front().bytes;
      for (auto _ : state) {
        std::uint64_t sum = best.read(data, bytes);
        benchmark::DoNotOptimize(sum);
        benchmark::ClobberMemory();
      }
    });
  }
  constexpr std::size_t elements = 131072;
  for (const bool is_float : {true, false}) {
    const std::string name = std::string("limit/exp/") + (is_float ? "float/" : "double/") + std::to_string(elements) + "/machine";
    benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
      double out = 0.0;
      for (auto _ : state) {
        (is_float ? best.float_exp : best.double_exp)(elements, &out);
        benchmark::DoNotOptimize(out);
      }
    });
  }
  return true;
}();

}  // namespace
