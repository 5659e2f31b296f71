// The parent's side of a trial: starts the child, waits for it within limits, understands how it ended.
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "tuner/apps/trial.h"

extern char** environ;

namespace hetero {
namespace {

constexpr std::size_t kMostOutput = 1 << 20;  // what a child gone mad may print

class Pipe {
 public:
  Pipe() {
    if (pipe2(ends_.data(), O_CLOEXEC) != 0) throw environment_error("cannot make a pipe", std::strerror(errno));
  }
  ~Pipe() {
    close_write();
    ::close(ends_[0]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  int read_end() const { return ends_[0]; }
  int write_end() const { return ends_[1]; }
  void close_write() {
    if (ends_[1] >= 0) ::close(ends_[1]);
    ends_[1] = -1;
  }

 private:
  std::array<int, 2> ends_{-1, -1};
};

// In a process group of its own: it can be killed with all it started, and Ctrl-C is for the parent to decide upon.
pid_t start(const std::vector<std::string>& arguments, const Pipe& out, const Pipe& err) {
  std::vector<char*> argv;
  for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out.write_end(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.write_end(), STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  pid_t child = -1;
  const int failed = posix_spawn(&child, "/proc/self/exe", &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) throw environment_error("cannot start a process for a trial", std::strerror(failed));
  return child;
}

enum class Ending { kByItself, kTimeout, kStopped };

struct Talk {
  std::string out, err;
  Ending ending = Ending::kByItself;
};

// Reads until the child closes both ends, time is up or the parent is to stop.
Talk listen(const Pipe& out, const Pipe& err, Nanos limit, bool (*stop)()) {
  Talk talk;
  const auto deadline = std::chrono::steady_clock::now() + limit;
  std::array<pollfd, 2> ends{pollfd{out.read_end(), POLLIN, 0}, pollfd{err.read_end(), POLLIN, 0}};
  const std::array<std::string*, 2> texts{&talk.out, &talk.err};
  while (ends[0].fd >= 0 || ends[1].fd >= 0) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (stop()) {
      talk.ending = Ending::kStopped;
      return talk;
    }
    if (left.count() <= 0) {
      talk.ending = Ending::kTimeout;
      return talk;
    }
    if (::poll(ends.data(), ends.size(), static_cast<int>(std::min<std::int64_t>(left.count() + 1, 1000))) <= 0)
      continue;
    for (std::size_t i = 0; i < ends.size(); ++i) {
      if (ends[i].fd < 0 || ends[i].revents == 0) continue;
      char buffer[4096];
      const ssize_t got = ::read(ends[i].fd, buffer, sizeof buffer);
      if (got > 0 && texts[i]->size() < kMostOutput) texts[i]->append(buffer, static_cast<std::size_t>(got));
      if (got == 0 || (got < 0 && errno != EINTR)) ends[i].fd = -1;  // poll() passes over negative ones
    }
  }
  return talk;
}

std::string last_line(const std::string& text) {
  const std::size_t end = text.find_last_not_of('\n');
  if (end == std::string::npos) return "";
  const std::size_t begin = text.rfind('\n', end);
  return text.substr(begin == std::string::npos ? 0 : begin + 1,
                     end - (begin == std::string::npos ? 0 : begin + 1) + 1);
}

SearchStatus status_from(const std::string& name) {
  for (const SearchStatus s : {SearchStatus::kOk, SearchStatus::kCompileError, SearchStatus::kDeviceLimit,
                               SearchStatus::kWrongResult, SearchStatus::kTimeout}) {
    if (name == name_of(s)) return s;
  }
  return SearchStatus::kCrash;
}

TrialOutcome outcome_from(const Talk& talk) {
  TrialOutcome outcome;
  const nlohmann::json document = nlohmann::json::parse(talk.out, nullptr, false);
  if (!document.is_object()) {
    outcome.message = "its process gave no result";
    return outcome;
  }
  try {
    outcome.message = document.at("message").get<std::string>();
    outcome.samples_ns = document.at("samples_ns").get<std::vector<double>>();
    outcome.compile_ns = document.at("compile_ns").get<double>();
    outcome.device_name = document.at("device_name").get<std::string>();
    outcome.driver = document.at("driver").get<std::string>();
    outcome.status = status_from(document.at("status").get<std::string>());
    if (outcome.status == SearchStatus::kOk && outcome.samples_ns.empty()) outcome.status = SearchStatus::kCrash;
  } catch (const nlohmann::json::exception&) {
    outcome.message = "its process gave half a result";
  }
  return outcome;
}

}  // namespace

TrialOutcome run_trial(const TrialRequest& request, Nanos limit, bool (*stop)()) {
  std::vector<std::string> arguments = {
      "hetero-tune",  "search-trial",      "--op",          request.op, "--device",
      request.device, "--variant",         request.variant, "--rounds", std::to_string(request.rounds),
      "--cache",      request.cache_folder};
  for (const auto& [name, value] : request.params) {
    arguments.insert(arguments.end(), {"--set", name + "=" + std::to_string(value)});
  }
  Pipe out, err;
  const pid_t child = start(arguments, out, err);
  out.close_write();
  err.close_write();
  const Talk talk = listen(out, err, limit, stop);
  if (talk.ending != Ending::kByItself) ::kill(-child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  TrialOutcome outcome;
  if (talk.ending == Ending::kStopped) {
    outcome.interrupted = true;
  } else if (talk.ending == Ending::kTimeout) {
    outcome.status = SearchStatus::kTimeout;
    outcome.message = "not done within " + format_duration_ns(to_ns(limit));
  } else if (WIFSIGNALED(status)) {
    outcome.message = std::string("its process ended by ") + strsignal(WTERMSIG(status));
  } else if (WEXITSTATUS(status) == 0) {
    outcome = outcome_from(talk);
  } else {
    const std::string line = last_line(talk.err);
    const int code = WEXITSTATUS(status);
    // The child's own error line: the device cannot be had, whatever the configuration. Anything else is a driver that
    // called exit().
    if (line.rfind("error: ", 0) == 0 && code >= 2 && code <= 4)
      throw Error(static_cast<ExitCode>(code), line.substr(7));
    outcome.message = "its process ended with code " + std::to_string(code) + ": " + line.substr(0, 200);
  }
  return outcome;
}

}  // namespace hetero
