// How reports put plans into words. Plain text: escaping is the renderer's. Pure.
#pragma once

#include <string>
#include <vector>

#include "profiles/plan.h"

namespace hetero {

// "decode", "prefill 256": also how the gate's samples name the bucket.
std::string label_of(const PlanBucket& bucket);

// "rows cpu:0 62 % + opencl:0@1 38 %"
std::string division_of(const BlockPlan& block);

// Blocks that are divided alike in one line each: "attention_in, ffn_in of 3 layers: rows ...", or "all blocks: ...".
std::vector<std::string> division_lines(const PlanBucket& bucket);

// "adopted: ...", or "cpu:0 alone: ...", with the gate's reason.
std::string sentence_of(const PlanBucket::Verdict& verdict);

// "cpu:0 + opencl:0@1"
std::string joined(const std::vector<std::string>& ids, const std::string& between);

// printf() of one number.
std::string number_text(const char* format, double value);

}  // namespace hetero
