// The measuring protocol: passes over the subjects in the order of importance, anchors between them, back-off on drift.
// Timing itself is in bench_set.cc and together.cc.
#include "tuner/measure/measure.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <sstream>
#include <thread>

#include "base/error.h"
#include "base/log.h"
#include "base/statistics.h"
#include "tuner/measure/anchors.h"
#include "tuner/measure/bench_set.h"
#include "tuner/measure/cache_size.h"
#include "tuner/measure/together.h"

namespace hetero {
namespace {

// Subjects between two looks at the anchors. What is lost to a drift is at most this many.
constexpr int kSubjectsPerCheck = 10;
// What is most important gets this many samples before anything else gets its first.
constexpr int kFirstRounds = 3;
constexpr double kMostImportant = 0.5;  // of the sum of weights
// Anything beyond this share of overlap is worth its sample.
constexpr double kLeastOverlap = 0.5;
// Weights are cold when the set is this many times the last-level cache.
constexpr double kColdSet = 1.25;
constexpr double kFirstPauseSeconds = 0.25;
constexpr double kLongestPauseSeconds = 4;

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) parts.push_back(part);
  return parts;
}

bool is_decode(const OpDesc& op) { return op.m == 1; }

struct Item {
  Subject subject;
  Bench* bench = nullptr;
  std::vector<Bench*> others;  // together with these
  int target = 0;              // samples wanted
  int tries = 0;
  bool retired = false;  // cannot be measured here
};

class Session {
 public:
  Session(std::vector<Subject> subjects, const std::vector<Device*>& devices, Timeline& timeline,
          const MeasureOptions& options, const MeasureHooks& hooks)
      : devices_(devices),
        timeline_(timeline),
        options_(options),
        hooks_(hooks),
        benches_(timeline, static_cast<std::uint64_t>(kColdSet * static_cast<double>(last_level_cache_bytes()))),
        anchors_(benches_),
        begin_(timeline.now()) {
    for (Subject& subject : subjects) items_.push_back({std::move(subject), nullptr, {}, 0, 0, false});
  }

  MeasureOutcome run() {
    assign_benches();
    const int rounds = options_.rounds;
    if (!pass(most_important(), std::min(kFirstRounds, rounds))) return outcome_;
    for (int round = 1; round <= rounds; ++round) {
      if (!pass(items_.size(), round)) return outcome_;
    }
    return MeasureOutcome::kComplete;
  }

 private:
  // --- what to run ---

  Device* device(const std::string& id) const {
    for (Device* d : devices_) {
      if (d->facts().id == id) return d;
    }
    throw usage_error("nothing can be measured on '" + id + "'", "it is not among the devices that were opened");
  }

  // What stands for a phase's load on a device: the op that contention is measured with, else for decode the matmul
  // that streams the most, for prefill the most important one. A static device has no rows of one: any size will do.
  std::optional<OpDesc> load_of(const std::string& id, bool decode) const {
    std::optional<OpDesc> best;
    double most = -1;
    for (const Item& item : items_) {
      const Subject& s = item.subject;
      const bool contention = s.kind == SampleKind::kContention;
      if (s.device != id || (s.kind != SampleKind::kOp && !contention)) continue;
      const OpDesc op = parse_op_desc(s.subject);
      if (op.kind != OpKind::kMatmul) continue;
      const double within = decode ? streamed_bytes(op) / 1e12 : s.weight;
      const double rank = (is_decode(op) == decode ? 100 : 0) + (contention ? 10 : 0) + within;
      if (rank > most) {
        most = rank;
        best = op;
      }
    }
    return best;
  }

  // Short, so that looking often costs little: the most important matmul, of decode where there is one.
  std::optional<OpDesc> anchor_of(const std::string& id) const {
    std::optional<OpDesc> best;
    double most = -1;
    for (const Item& item : items_) {
      if (item.subject.device != id || item.subject.kind != SampleKind::kOp) continue;
      const OpDesc op = parse_op_desc(item.subject.subject);
      const double rank = (is_decode(op) ? 100 : 0) + item.subject.weight;
      if (op.kind != OpKind::kMatmul || rank <= most) continue;
      most = rank;
      best = op;
    }
    return best;
  }

  void assign_benches() {
    for (Item& item : items_) {
      const Subject& s = item.subject;
      Device& on = *device(s.device);
      std::optional<OpDesc> op;
      if (s.kind == SampleKind::kOp || s.kind == SampleKind::kContention || s.kind == SampleKind::kGraphCompile) {
        op = parse_op_desc(s.subject);
      } else {
        op = load_of(s.device, true);
      }
      if (!op) {
        item.retired = true;
        continue;
      }
      item.bench = &benches_.declare(on, *op);
      item.target = s.kind == SampleKind::kGraphCompile ? 1 : options_.rounds;
      for (const std::string& other : split(s.active_with, '+')) {
        const std::optional<OpDesc> load = load_of(other, is_decode(*op));
        if (load) item.others.push_back(&benches_.declare(*device(other), *load));
      }
    }
    std::vector<Bench*> anchors;
    for (Device* d : devices_) {
      if (const std::optional<OpDesc> op = anchor_of(d->facts().id)) anchors.push_back(&benches_.declare(*d, *op));
    }
    benches_.attach();
    for (Bench* bench : anchors) {
      benches_.prepare(*bench);
      if (bench->usable()) anchors_.add(*bench);
    }
  }

  // --- in which order, and for how long ---

  std::size_t most_important() const {
    double total = 0;
    for (const Item& item : items_) total += item.subject.weight;
    double sum = 0;
    std::size_t count = 0;
    while (count < items_.size() && sum < kMostImportant * total) sum += items_[count++].subject.weight;
    return count;
  }

  // Brings the first `count` items to `have` samples each, one sample of each in turn. False: the run is over.
  bool pass(std::size_t count, int have) {
    for (int round = 1; round <= have; ++round) {
      bool any = true;
      while (any) {
        any = false;
        int since_check = 0;
        for (std::size_t i = 0; i < count; ++i) {
          Item& item = items_[i];
          if (item.retired || item.subject.have >= std::min(round, item.target)) continue;
          if (over()) return false;
          any = true;
          report(item);
          measure_one(item);
          if (++since_check == kSubjectsPerCheck) {
            check_anchors();
            since_check = 0;
          }
        }
        // Samples that a drift took back make another sweep.
        if (any) check_anchors();
      }
    }
    return true;
  }

  double elapsed_seconds() const { return to_ns(timeline_.now() - begin_) / 1e9; }

  bool over() {
    const bool stop = hooks_.stop && hooks_.stop();
    if (!stop && elapsed_seconds() < options_.budget_seconds) return false;
    check_anchors();
    outcome_ = stop ? MeasureOutcome::kInterrupted : MeasureOutcome::kBudgetSpent;
    return true;
  }

  void report(const Item& item) {
    if (!hooks_.progress) return;
    double missing = 0;
    double wanted = 0;
    for (const Item& i : items_) {
      if (i.retired) continue;
      wanted += i.target;
      missing += std::max(0, i.target - i.subject.have);
    }
    const double elapsed = elapsed_seconds();
    const double at_this_pace = taken_ > 0 ? missing * elapsed / taken_ : options_.budget_seconds;
    MeasureProgress progress;
    progress.seconds_left = std::max(0.0, std::min(options_.budget_seconds - elapsed, at_this_pace));
    progress.fraction = std::max(wanted > 0 ? 1 - missing / wanted : 1, elapsed / options_.budget_seconds);
    progress.now = item.subject.device + " " + item.subject.subject;
    hooks_.progress(progress);
  }

  // --- one sample ---

  Sample sample_of(const Item& item, SampleKind kind, const std::string& subject) const {
    Sample s;
    s.kind = kind;
    s.device = item.subject.device;
    s.exact_fingerprint = item.bench->device->facts().exact_fingerprint;
    s.subject = subject;
    if (kind == SampleKind::kOp) {
      const KernelUse use = item.bench->device->kernel_for(item.bench->op);
      s.variant = variant_name(use.row);
      s.params = use.params;
    }
    s.round = item.subject.have;
    return s;
  }

  void keep(Item& item, Sample sample) {
    pending_.push_back({&item, std::move(sample)});
    ++item.subject.have;
    taken_ += 1;
  }
  // Kept as a row, never measured again in this run.
  void retire(Item& item, SampleStatus status, const std::string& why) {
    Sample s = sample_of(item, item.subject.kind, item.subject.subject);
    s.active_with = item.subject.active_with;
    s.status = status;
    s.message = why;
    finished_.push_back(std::move(s));
    item.retired = true;
    if (status != SampleStatus::kNotSupported) {
      log_warning(item.subject.device + ", " + item.subject.subject + ": " + why);
    }
  }

  void measure_one(Item& item) {
    // A machine that never comes to rest must not hold the run for ever.
    if (++item.tries > 3 * item.target + 3)
      return retire(item, SampleStatus::kUntrusted, "the machine is too restless");
    benches_.prepare(*item.bench);
    for (Bench* other : item.others) benches_.prepare(*other);
    if (!item.bench->usable()) return retire(item, item.bench->status, item.bench->message);
    for (const Bench* other : item.others) {
      if (!other->usable()) return retire(item, SampleStatus::kNotSupported, "the other device cannot run its part");
    }
    try {
      switch (item.subject.kind) {
        case SampleKind::kContention:
          contention(item);
          break;
        case SampleKind::kBandwidth:
          bandwidth(item);
          break;
        case SampleKind::kJoin:
          join(item);
          break;
        case SampleKind::kGraphCompile:
          graph_compile(item);
          break;
        default:
          alone(item);
          break;
      }
    } catch (const Error& error) {
      retire(item, SampleStatus::kDeviceFailed, error.what());
    }
  }

  void alone(Item& item) {
    const BenchTimes times = benches_.run(*item.bench, quiet_waiter(item.bench->device->facts()));
    Sample s = sample_of(item, item.subject.kind, item.subject.subject);
    s.device_ns = item.subject.kind == SampleKind::kOp ? times.op_ns : times.segment_ns;
    s.launch_ns = times.launch_ns;
    s.join_ns = times.join_ns;
    keep(item, std::move(s));
  }

  void join(Item& item) {
    for (const Waiter waiter : {Waiter::kDriver, Waiter::kPoll, Waiter::kSleepPoll}) {
      if (name_of(waiter) != item.subject.subject) continue;
      const BenchTimes times = benches_.run(*item.bench, waiter);
      Sample s = sample_of(item, SampleKind::kJoin, item.subject.subject);
      s.device_ns = times.segment_ns;
      s.launch_ns = times.launch_ns;
      s.join_ns = times.join_ns;
      return keep(item, std::move(s));
    }
    retire(item, SampleStatus::kNotSupported, "there is no such waiter");
  }

  void graph_compile(Item& item) {
    if (item.bench->graph_compile_ns <= 0) {  // a driver's cache had it: nothing to be learnt, and nothing is wrong
      item.retired = true;
      return;
    }
    Sample s = sample_of(item, SampleKind::kGraphCompile, item.subject.subject);
    s.compile_ns = item.bench->graph_compile_ns;
    keep(item, std::move(s));
  }

  // Alone right before, so that the ratio is of one moment.
  bool together(Item& item, TogetherTimes& times) {
    std::vector<double> alone;
    for (int i = 0; i < 3; ++i) {
      alone.push_back(benches_.run(*item.bench, quiet_waiter(item.bench->device->facts())).op_ns);
    }
    for (Bench* other : item.others) benches_.run(*other, quiet_waiter(other->device->facts()));
    times = run_together(benches_, timeline_, *item.bench, item.others, median_of(alone));
    return times.overlap >= kLeastOverlap;
  }

  void contention(Item& item) {
    TogetherTimes times;
    if (!together(item, times)) return miss(item);
    Sample s = sample_of(item, SampleKind::kContention, item.subject.subject);
    s.active_with = item.subject.active_with;
    s.device_ns = times.op_ns;
    s.value = times.overlap;
    keep(item, std::move(s));
  }

  void bandwidth(Item& item) {
    TogetherTimes times;
    if (item.others.empty()) {
      times.op_ns = benches_.run(*item.bench, quiet_waiter(item.bench->device->facts())).op_ns;
    } else if (!together(item, times)) {
      return miss(item);
    }
    Sample s = sample_of(item, SampleKind::kBandwidth, item.subject.subject);
    s.active_with = item.subject.active_with;
    s.device_ns = times.op_ns;
    s.value = streamed_bytes(item.bench->op) / times.op_ns;  // bytes a nanosecond are GB/s
    keep(item, std::move(s));
  }

  void miss(Item& item) {
    Sample s = sample_of(item, item.subject.kind, item.subject.subject);
    s.active_with = item.subject.active_with;
    s.status = SampleStatus::kUntrusted;
    s.message = "the devices did not work at the same time for long enough";
    finished_.push_back(std::move(s));
  }

  // --- trust ---

  // Settles what is pending: good anchors make it count, drifted ones take it back.
  void check_anchors() {
    const bool steady = anchors_.check(finished_);
    for (auto& [item, sample] : pending_) {
      if (!steady) {
        sample.status = SampleStatus::kUntrusted;
        sample.message = "taken while an anchor had drifted";
        --item->subject.have;
      }
      finished_.push_back(std::move(sample));
    }
    pending_.clear();
    if (hooks_.store && !finished_.empty()) hooks_.store(finished_);
    finished_.clear();
    if (steady) {
      pause_seconds_ = kFirstPauseSeconds;
      return;
    }
    // A virtual machine of a simulator does not cool down.
    if (!timeline_.is_virtual()) {
      const double left = options_.budget_seconds - elapsed_seconds();
      std::this_thread::sleep_for(
          std::chrono::duration<double>(std::clamp(pause_seconds_, 0.0, std::max(0.0, left / 4))));
    }
    pause_seconds_ = std::min(2 * pause_seconds_, kLongestPauseSeconds);
  }

  const std::vector<Device*>& devices_;
  Timeline& timeline_;
  const MeasureOptions& options_;
  const MeasureHooks& hooks_;
  BenchSet benches_;
  Anchors anchors_;
  Nanos begin_;
  std::vector<Item> items_;
  std::vector<std::pair<Item*, Sample>> pending_;  // measured since the last good anchors
  std::vector<Sample> finished_;                   // status settled, not stored yet
  double taken_ = 0;
  double pause_seconds_ = kFirstPauseSeconds;
  MeasureOutcome outcome_ = MeasureOutcome::kComplete;
};

}  // namespace

MeasureOutcome measure(std::vector<Subject> subjects, const std::vector<Device*>& devices, Timeline& timeline,
                       const MeasureOptions& options, const MeasureHooks& hooks) {
  return Session(std::move(subjects), devices, timeline, options, hooks).run();
}

}  // namespace hetero
