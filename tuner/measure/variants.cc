#include "tuner/measure/variants.h"

#include <algorithm>

#include "base/error.h"
#include "tuner/measure/bench_set.h"

namespace hetero {
namespace {

// Every combination of the row's parameters, the defaults first.
std::vector<ParamValues> sets_of(const KernelVariant& row) {
  std::vector<ParamValues> sets = {{}};
  for (const ParamSpec& spec : row.params) {
    std::vector<ParamValues> longer;
    for (const ParamValues& set : sets) {
      for (const std::int64_t value : spec.values) {
        longer.push_back(set);
        longer.back()[spec.name] = value;
      }
    }
    sets = std::move(longer);
  }
  std::stable_partition(sets.begin(), sets.end(), [&](const ParamValues& s) { return s == default_params(row); });
  return sets;
}

// Whether the device may use each of them: it may have been told to use one.
bool all_allowed(const Device& device, const OpDesc& desc, const KernelVariant& row) {
  const std::vector<ParamValues> sets = sets_of(row);
  return std::all_of(sets.begin(), sets.end(), [&](const ParamValues& params) {
    Segment segment;
    segment.ops.emplace_back();
    segment.ops[0].desc = desc;
    segment.ops[0].params = params;
    return device.supports(segment).yes;
  });
}

Sample sample_of(const VariantContest& contest, const ParamValues& params, int round) {
  Sample s;
  s.kind = SampleKind::kVariant;
  s.device = contest.device->facts().id;
  s.exact_fingerprint = contest.device->facts().exact_fingerprint;
  s.subject = canonical_text(contest.op);
  s.variant = variant_name(contest.row);
  s.params = params;
  s.round = round;
  return s;
}

// Prepares every set of parameters; those that do not work leave a row.
std::vector<Bench*> contestants(BenchSet& benches, const VariantContest& contest, std::vector<Sample>& samples) {
  std::vector<Bench*> all;
  for (const ParamValues& params : sets_of(*contest.row)) {
    all.push_back(&benches.declare(*contest.device, contest.op, params));
  }
  benches.attach();
  std::erase_if(all, [&](Bench* bench) {
    benches.prepare(*bench);
    if (bench->usable()) return false;
    samples.push_back(sample_of(contest, bench->params, 0));
    samples.back().status = bench->status;
    samples.back().message = bench->message;
    return true;
  });
  return all;
}

}  // namespace

std::vector<VariantContest> variant_contests(const ModelShape& shape, const std::vector<Device*>& devices,
                                             const std::vector<ShapeChoice>& known, const VariantOptions& options) {
  std::vector<VariantContest> contests;
  for (Device* device : devices) {
    const DeviceFacts& facts = device->facts();
    for (const OpDesc& op : deciding_matmuls(shape, facts)) {
      const KernelVariant* const row = device->kernel_for(op).row;
      if (row == nullptr || row->scope != ParamScope::kShape) continue;
      const bool over = std::any_of(known.begin(), known.end(), [&](const ShapeChoice& c) {
        return c.exact_fingerprint == facts.exact_fingerprint && c.variant == row->id && c.op == op &&
               settled(c, options.rounds);
      });
      if (!over && all_allowed(*device, op, *row)) contests.push_back({device, op, row});
    }
  }
  return contests;
}

MeasureOutcome time_variants(const std::vector<VariantContest>& contests, Timeline& timeline,
                             const VariantOptions& options, const MeasureHooks& hooks) {
  const Nanos begin = timeline.now();
  const auto elapsed_seconds = [&] { return to_ns(timeline.now() - begin) / 1e9; };
  for (std::size_t i = 0; i < contests.size(); ++i) {
    const VariantContest& contest = contests[i];
    if (hooks.stop && hooks.stop()) return MeasureOutcome::kInterrupted;
    if (elapsed_seconds() >= options.budget_seconds) return MeasureOutcome::kBudgetSpent;
    if (hooks.progress) {
      hooks.progress({static_cast<double>(i) / static_cast<double>(contests.size()),
                      contest.device->facts().id + " " + canonical_text(contest.op),
                      options.budget_seconds - elapsed_seconds()});
    }
    // One copy of the weight: the order of the sets is wanted, not the time of a cold weight, and each copy would be a
    // graph to compile.
    BenchSet benches(timeline, 1, 1);
    std::vector<Sample> samples;
    std::vector<Sample> failures;
    const std::vector<Bench*> benched = contestants(benches, contest, failures);
    const auto decided = [&] {
      const std::vector<ShapeChoice> choices = shape_choices(samples);
      return !choices.empty() && settled(choices.front(), options.rounds);
    };
    try {
      for (int round = 0; benched.size() > 1 && round < options.rounds && !decided(); ++round) {
        for (std::size_t turn = 0; turn < benched.size(); ++turn) {
          Bench& bench = *benched[(turn + static_cast<std::size_t>(round)) % benched.size()];
          const BenchTimes times = benches.run(bench, quiet_waiter(contest.device->facts()));
          Sample& s = samples.emplace_back(sample_of(contest, bench.params, round));
          s.device_ns = times.op_ns;
          s.launch_ns = times.launch_ns;
          s.join_ns = times.join_ns;
          if (round == 0) s.compile_ns = bench.graph_compile_ns;
        }
      }
    } catch (const Error& error) {
      failures.push_back(sample_of(contest, {}, 0));
      failures.back().status = SampleStatus::kDeviceFailed;
      failures.back().message = error.what();
    }
    samples.insert(samples.end(), failures.begin(), failures.end());
    if (hooks.store && !samples.empty()) hooks.store(samples);
  }
  return MeasureOutcome::kComplete;
}

}  // namespace hetero
