// Ctrl-C: a flag of the process, as signals are, which long jobs read between two steps.
#pragma once

namespace hetero {

// The first SIGINT or SIGTERM sets the flag; the second one of a kind ends the process at once.
void watch_for_interrupt();
bool interrupted();

}  // namespace hetero
