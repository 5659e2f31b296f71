// A step's timeline as text: a lane for each device, a column for a slice of time. Pure; draws one layer where a step
// has many, since a whole step in a hundred columns says nothing.
#pragma once

#include <string>
#include <vector>

#include "profiles/trace.h"

namespace hetero {

// `spans`: of one step. `devices`: ids, one lane each, in this order. Lines end in '\n' and are at most 100 columns
// wide:
//
//   layer 16 of the step, 31.9 ms, 0.4 ms a column
//   gpu  |qqqq........ddd|  41 %
//   npu  |....ffffffffddd|  98 %
//
// q attention_in, t attention, o attention_out, f ffn_in, d ffn_out, h head; a segment of several blocks has the letter
// of its first; '.' idle for more than half of the column. Empty when there are no spans.
std::string lanes_text(const std::vector<Span>& spans, const std::vector<std::string>& devices);

}  // namespace hetero
