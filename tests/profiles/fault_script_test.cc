// The document of injected faults.
#include "profiles/fault_script.h"

#include <gtest/gtest.h>

#include "tests/profiles/bad_documents.h"

namespace hetero {
namespace {

const std::string kEvery = R"({
 "schema": "hetero.faults",
 "version": 1,
 "faults": [
  {"device": "gpu", "kind": "slow", "from_ms": 100, "for_ms": 500, "factor": 2},
  {"device": "gpu", "kind": "slow", "from_ms": 2000, "factor": 1.25},
  {"device": "npu", "kind": "lost", "from_ms": 1.5},
  {"device": "npu", "kind": "compile_failure", "graph": 3},
  {"device": "npu", "kind": "out_of_memory", "bytes": 1073741824}
 ]
}
)";

TEST(FaultScript, ReadsEveryKind) {
  const std::vector<Fault> faults = faults_from_json(kEvery);
  ASSERT_EQ(faults.size(), 5U);
  EXPECT_EQ(faults[0].device, "gpu");
  EXPECT_EQ(faults[0].from_ns, 100e6);
  EXPECT_EQ(faults[0].for_ns, 500e6);
  EXPECT_EQ(words(faults[0]), "slowed 2x for 500 ms");
  EXPECT_EQ(words(faults[1]), "slowed 1.25x");
  EXPECT_EQ(faults[2].kind, FaultKind::kLost);
  EXPECT_EQ(faults[2].from_ns, 1.5e6);
  EXPECT_EQ(words(faults[3]), "graph 3 does not compile");
  EXPECT_EQ(faults[4].bytes, 1073741824U);
  EXPECT_EQ(words(faults[4]), "out of memory above 1.00 GiB");
}

TEST(FaultScript, RefusesWhatIsNone) {
  const auto read = [](const std::string& text) { faults_from_json(text); };
  expect_sturdy(read, kEvery);
  expect_refused(read, replaced(kEvery, "\"lost\"", "\"mislaid\""), "an unknown kind");
  expect_refused(read, replaced(kEvery, "\"factor\": 2", "\"factor\": 0"), "a factor of 0");
  expect_refused(read, replaced(kEvery, "\"factor\": 2", "\"often\": 2"), "no factor");
  expect_refused(read, replaced(kEvery, "\"from_ms\": 100", "\"from_ms\": -1"), "a time before the prompt");
  expect_refused(read, replaced(kEvery, "\"graph\": 3", "\"graph\": 0"), "graph 0");
}

}  // namespace
}  // namespace hetero
