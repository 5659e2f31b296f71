// The parts of hetero-bench. Benchmarks are registered at run time, since they follow the catalogue and the devices.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/device/device.h"

namespace hetero {

// Every row of the cpu's catalogue that this processor can run, at decode and prefill shapes, on one thread.
// Counters: GB/s of weights, GFLOPS.
void register_kernel_benchmarks();

// From submission to the host's knowing that a small segment is done, per device and waiter. The devices and the
// timeline outlive the run.
void register_join_benchmarks(const std::vector<std::unique_ptr<Device>>& devices, Timeline& timeline);

// From one device's finish to the submission to another, per waiter and pair: reaction, cost of waiting, foresight.
void register_handover_benchmarks(const std::vector<std::unique_ptr<Device>>& devices, Timeline& timeline);

// Single ops of emulated devices beside what their profile says.
void register_emulation_benchmarks(const std::vector<std::unique_ptr<Device>>& devices, Timeline& timeline);

// Single matmuls as graphs of static devices.
void register_graph_benchmarks(const std::vector<std::unique_ptr<Device>>& devices, Timeline& timeline);

// A step of a model so small that only the executor's own work is left.
void register_engine_benchmarks(const std::vector<std::unique_ptr<Device>>& devices, Timeline& timeline);

// The solver on 80 layers, 12 buckets and 4 devices, and on less: time must not grow faster than the problem.
void register_solver_benchmarks();
// Queries of a database with a million samples, which the first of them makes in the temporary folder.
void register_store_benchmarks();

// --limits: what this machine's cores and memory can do at best. Prints a table, or JSON.
enum class LimitsOutput : std::uint8_t { kText, kJson };
void print_limits(LimitsOutput output);

}  // namespace hetero
