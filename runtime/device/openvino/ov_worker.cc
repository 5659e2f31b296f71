#include "runtime/device/openvino/ov_worker.h"

#include <pthread.h>
#include <sched.h>

#include <chrono>
#include <exception>
#include <utility>

#include "base/error.h"
#include "runtime/device/cpu/cpu_provider.h"

namespace hetero {
namespace {

// How long a worker with cores of its own looks for the next job before it sleeps. Waking it costs the host 20 to 50 us
// a submission; the gaps between segments of a step are shorter than this.
constexpr Nanos kWatch = std::chrono::microseconds(200);

void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Without cores of its own: all that the process may use, since the caller's mask may be one core of a cpu device.
void bind(pthread_t thread, const std::vector<int>& cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int core : cores.empty() ? all_cores() : cores) CPU_SET(static_cast<std::size_t>(core), &set);
  if (pthread_setaffinity_np(thread, sizeof set, &set) != 0 && !cores.empty()) {
    throw environment_error("an OpenVINO device cannot run on the cores that it is given",
                            "'hetero-tune devices' lists the cores that this process may use");
  }
}

}  // namespace

struct OvWorker::Job {
  std::function<void()> work;
  Nanos start{0};
  Nanos finish{0};
  std::exception_ptr failure;
  std::atomic<bool> done{false};  // released after the fields above
};

class OvWorker::JobTicket final : public Ticket {
 public:
  JobTicket(OvWorker& worker, std::shared_ptr<Job> job) : worker_(worker), job_(std::move(job)) {}
  ~JobTicket() override { block(); }
  bool done() override { return job_->done.load(std::memory_order_acquire); }
  void block() override {
    if (done()) return;
    std::unique_lock lock(worker_.mutex_);
    worker_.finished_.wait(lock, [this] { return done(); });
  }
  std::pair<Nanos, Nanos> interval() override {
    if (job_->failure) std::rethrow_exception(job_->failure);
    return {job_->start, job_->finish};
  }

 private:
  OvWorker& worker_;
  std::shared_ptr<Job> job_;
};

OvWorker::OvWorker(const Timeline& timeline, const std::vector<int>& cores)
    : timeline_(timeline), cores_(cores), thread_([this](const std::stop_token& stop) { serve(stop); }) {
  bind(thread_.native_handle(), cores_);
}

OvWorker::~OvWorker() = default;

std::unique_ptr<Ticket> OvWorker::push(std::function<void()> work) {
  auto job = std::make_shared<Job>();
  job->work = std::move(work);
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(job);
    pending_.fetch_add(1, std::memory_order_release);
  }
  pushed_.notify_one();
  return std::make_unique<JobTicket>(*this, std::move(job));
}

void OvWorker::call(std::function<void()> work) {
  const std::unique_ptr<Ticket> ticket = push(std::move(work));
  ticket->block();
  ticket->interval();
}

std::shared_ptr<OvWorker::Job> OvWorker::next(const std::stop_token& stop) {
  if (!cores_.empty()) {
    const Nanos end = timeline_.now() + kWatch;
    while (pending_.load(std::memory_order_acquire) == 0 && !stop.stop_requested() && timeline_.now() < end) relax();
  }
  std::unique_lock lock(mutex_);
  if (!pushed_.wait(lock, stop, [this] { return !jobs_.empty(); })) return nullptr;
  std::shared_ptr<Job> job = std::move(jobs_.front());
  jobs_.pop_front();
  pending_.fetch_sub(1, std::memory_order_relaxed);
  return job;
}

void OvWorker::serve(const std::stop_token& stop) {
  while (const std::shared_ptr<Job> job = next(stop)) {
    job->start = timeline_.now();
    try {
      job->work();
    } catch (...) {
      job->failure = std::current_exception();
    }
    job->work = nullptr;  // what it holds goes here, not on the host's thread
    job->finish = timeline_.now();
    {
      const std::lock_guard lock(mutex_);  // so that a waiter cannot miss the notice between its look and its sleep
      job->done.store(true, std::memory_order_release);
    }
    finished_.notify_all();
  }
}

}  // namespace hetero
