#pragma once

#include <benchmark/benchmark.h>

#include <functional>
#include <string>

/// Micro-benchmarks. Their names are GROUP/NAME/SIZE/WHO; those that differ only in WHO stand in one row of the table.

namespace bench {

using Body = std::function<void(benchmark::State&)>;

/** Registers a benchmark whose items (elements, nodes, parameters, …) are counted per iteration. */
inline benchmark::internal::Benchmark* add(const std::string& name, long items, const Body& body) {
  return benchmark::RegisterBenchmark(name.c_str(), [items, body](benchmark::State& state) {
    body(state);
    state.SetItemsProcessed(static_cast<long>(state.iterations()) * items);
  });
}

constexpr long elementwise_sizes[] = {64, 1024, 16384, 262144, 1048576};

void add_elementwise();
/** Only where libtorch was found. */
void add_libtorch();
void add_matrices();
void add_programs();

}  // namespace bench
