// Progress with time left, on stderr: one line redrawn on a terminal, a line every ten seconds elsewhere, none when
// quiet (log.h).
#pragma once

#include <chrono>
#include <string>

namespace hetero {

class Progress {
 public:
  // `title` names the whole job. Nothing is drawn before the first update.
  explicit Progress(std::string title);
  ~Progress();  // leaves the terminal on a fresh line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `fraction` in [0, 1] of the job is done; `now_doing` is what comes next; `seconds_left` < 0 when unknown.
  void update(double fraction, const std::string& now_doing, double seconds_left);

 private:
  std::string title_;
  bool terminal_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace hetero
