#include "reports/paired.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "reports/statistics.h"

extern char** environ;

namespace hetero {
namespace {

[[noreturn]] void cannot_start(const std::string& command, int error) {
  throw environment_error("'" + command + "' cannot be started: " + std::strerror(error));
}

// What the command printed. Throws when it does not end with 0.
std::string output_of(const std::string& command) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) cannot_start(command, errno);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  std::string shell = "sh";
  std::string flag = "-c";
  std::string text = command;
  char* const arguments[] = {shell.data(), flag.data(), text.data(), nullptr};
  pid_t child = 0;
  const int error = posix_spawn(&child, "/bin/sh", &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (error != 0) {
    close(ends[0]);
    cannot_start(command, error);
  }
  std::string output;
  char buffer[1 << 16];
  for (ssize_t got = 0; (got = read(ends[0], buffer, sizeof buffer)) != 0;) {
    if (got > 0) {
      output.append(buffer, static_cast<std::size_t>(got));
    } else if (errno != EINTR) {
      break;
    }
  }
  close(ends[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    throw environment_error("'" + command + "' ended with " +
                                (WIFEXITED(status) ? "exit code " + std::to_string(WEXITSTATUS(status))
                                                   : "signal " + std::to_string(WTERMSIG(status))),
                            "run it by itself to see why");
  }
  return output;
}

// One round's benchmarks become one sample each.
void add_round(BenchmarkSet& all, const BenchmarkSet& round) {
  if (all.benchmarks.empty()) {
    all = round;
    for (Benchmark& b : all.benchmarks) b.samples = {median_of(b.samples)};
    return;
  }
  if (all.circumstances != round.circumstances) {
    throw input_error("'" + all.source + "' ran under other circumstances than in the rounds before",
                      "nothing but the time may change between rounds");
  }
  for (const Benchmark& b : round.benchmarks) {
    for (Benchmark& known : all.benchmarks) {
      if (known.name == b.name) known.samples.push_back(median_of(b.samples));
    }
  }
}

}  // namespace

std::pair<BenchmarkSet, BenchmarkSet> run_paired(const std::string& command_a, const std::string& command_b,
                                                 const PairedOptions& options) {
  std::pair<BenchmarkSet, BenchmarkSet> sets;
  for (int round = 0; round <= options.rounds; ++round) {
    for (int turn = 0; turn < 2; ++turn) {
      const bool is_a = (round + turn) % 2 == 0;
      const std::string& command = is_a ? command_a : command_b;
      if (options.progress) {
        options.progress(
            (2.0 * round + turn) / (2.0 * (options.rounds + 1)),
            std::string(is_a ? "A" : "B") + (round == 0 ? ", warming up" : ", round " + std::to_string(round)));
      }
      const BenchmarkSet measured = benchmarks_from_json(output_of(command), command);
      if (round > 0) add_round(is_a ? sets.first : sets.second, measured);
    }
  }
  return sets;
}

}  // namespace hetero
