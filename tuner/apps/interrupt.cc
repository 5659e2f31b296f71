#include "tuner/apps/interrupt.h"

#include <csignal>
#include <initializer_list>

namespace hetero {
namespace {

volatile std::sig_atomic_t g_interrupted = 0;

}  // namespace

void watch_for_interrupt() {
  for (const int signal : {SIGINT, SIGTERM}) {
    std::signal(signal, [](int which) {
      g_interrupted = 1;
      std::signal(which, SIG_DFL);
    });
  }
}

bool interrupted() { return g_interrupted != 0; }

}  // namespace hetero
