// The gate on plan costs: what the solver predicts for every shipped system, several models and prompt lengths, against
// a committed table. No clock is involved, so a difference is a change of the solver, the cost model or the documents:
// intended (write the table anew, and say in the commit why costs moved) or not.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "profiles/device_profile.h"
#include "tuner/solve/solve.h"

namespace hetero {
namespace {

const std::vector<std::string> kModels = {"internlm2-1.8b", "llama-3-8b",   "llama-3.2-1b",
                                          "llama-3.2-3b",   "qwen2.5-1.5b", "smollm2-135m"};
const std::vector<std::int64_t> kPrompts = {64, 256, 300, 1024};
constexpr double kTolerance = 1e-3;  // compilers may differ in the last digits

using Key = std::string;  // "<system> <model> <phase> <tokens>"
using Table = std::map<Key, double>;

void solve_into(Table& table, const std::string& system_name, const std::string& model) {
  const SystemProfile system = system_profile_from_json(*shipped_system_profile(system_name));
  const ModelShape shape = model_shape_from_json(*shipped_model_shape(model));
  std::vector<SolveDevice> devices;
  for (const DeviceProfile& p : system.devices) {
    devices.push_back({p.device, p.standard_sizes, p.feature_align, p.memory_bytes});
  }
  SolveOptions options;
  options.buckets = kPrompts;
  const Plan plan = solve(shape, CostModel(system.devices), devices, options).plan;
  for (const PlanBucket& bucket : plan.buckets) {
    const std::string phase(name_of(bucket.phase));
    table[system_name + " " + model + " " + phase + " " + std::to_string(bucket.tokens)] = bucket.predicted_ns;
  }
}

Table read_table() {
  Table table;
  std::ifstream in(HETERO_PLAN_COSTS);
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    const std::size_t last = line.rfind(' ');
    table[line.substr(0, last)] = std::stod(line.substr(last + 1));
  }
  return table;
}

void write_table(const char* path, const Table& table) {
  std::ofstream out(path);
  out << "# System, model, phase, tokens; predicted nanoseconds of a step. Written by scripts/update_plan_costs.sh.\n";
  for (const auto& [key, ns] : table) {
    char text[32];
    std::snprintf(text, sizeof text, "%.0f", ns);
    out << key << ' ' << text << '\n';
  }
}

TEST(PlanCosts, AreThoseOfTheTable) {
  Table now;
  for (const std::string& system : shipped_system_profile_names()) {
    for (const std::string& model : kModels) solve_into(now, system, model);
  }
  if (const char* path = std::getenv("HETERO_WRITE_PLAN_COSTS")) write_table(path, now);
  const Table expected = read_table();
  ASSERT_GE(expected.size(), 5U * 6U * 4U);
  EXPECT_EQ(now.size(), expected.size());
  for (const auto& [key, ns] : expected) {
    ASSERT_TRUE(now.contains(key)) << key << " is in the table and no longer solved";
    EXPECT_NEAR(now[key] / ns, 1, kTolerance)
        << key << ": was " << ns << " ns, is " << now[key] << " ns; if that is meant: scripts/update_plan_costs.sh";
  }
}

}  // namespace
}  // namespace hetero
