#include "base/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/log.h"

namespace hetero {

Progress::Progress(std::string title) : title_(std::move(title)), terminal_(isatty(STDERR_FILENO) != 0) {}

Progress::~Progress() {
  if (terminal_ && drawn_) std::fprintf(stderr, "\r\033[K");
}

void Progress::update(double fraction, const std::string& now_doing, double seconds_left) {
  if (verbosity() == Verbosity::kQuiet) return;
  const auto now = std::chrono::steady_clock::now();
  const auto pause = terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(10000);
  if (drawn_ && now - last_ < pause) return;
  last_ = now;
  drawn_ = true;

  char left[32] = "";
  if (seconds_left >= 0) std::snprintf(left, sizeof left, ", %.0f s left", seconds_left);
  const int percent = static_cast<int>(100 * std::clamp(fraction, 0.0, 1.0));
  if (terminal_) {
    std::fprintf(stderr, "\r\033[K%s %3d %%%s: %.60s", title_.c_str(), percent, left, now_doing.c_str());
    std::fflush(stderr);
  } else {
    std::fprintf(stderr, "%s %3d %%%s: %s\n", title_.c_str(), percent, left, now_doing.c_str());
  }
}

}  // namespace hetero
