// A History for a terminal, for programs and as a page. Pure.
#pragma once

#include <string>

#include "reports/history.h"

namespace hetero {

// A block a benchmark: a line a commit, with a bar as long as its median.
std::string render_text(const History& history);
// "hetero.history", version 1: reports/schema/history.schema.json.
std::string render_json(const History& history);
// A chart a benchmark, with its table; at most kMostHistoryCharts, those that changed first.
inline constexpr std::size_t kMostHistoryCharts = 24;
std::string render_html(const History& history);

}  // namespace hetero
