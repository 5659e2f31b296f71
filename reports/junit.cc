#include "reports/junit.h"

#include <algorithm>

#include "reports/markup.h"
#include "reports/words.h"

namespace hetero {
namespace {

std::string attribute(const char* name, const std::string& value) {
  return std::string(" ") + name + "=\"" + escape_markup(value) + "\"";
}

std::string case_text(const std::string& suite, const JunitCase& test) {
  std::string text = "    <testcase" + attribute("classname", "hetero." + suite) + attribute("name", test.name) + ">\n";
  if (test.state == JunitState::kFailed) text += "      <failure" + attribute("message", test.message) + "/>\n";
  if (test.state == JunitState::kSkipped) text += "      <skipped" + attribute("message", test.message) + "/>\n";
  if (!test.details.empty()) text += "      <system-out>" + escape_markup(test.details) + "</system-out>\n";
  return text + "    </testcase>\n";
}

std::string counts(const std::vector<JunitCase>& cases) {
  const auto count = [&](JunitState state) {
    return std::to_string(
        std::count_if(cases.begin(), cases.end(), [&](const JunitCase& c) { return c.state == state; }));
  };
  return attribute("tests", std::to_string(cases.size())) + attribute("failures", count(JunitState::kFailed)) +
         attribute("skipped", count(JunitState::kSkipped)) + attribute("errors", "0");
}

JunitCase verdict_case(const Report& report, const PlanBucket& bucket, const GateTimes& gate) {
  JunitCase test{.name = label_of(bucket)};
  if (!bucket.verdict) {
    test.state = JunitState::kSkipped;
    test.message = "the gate has not judged this bucket";
    return test;
  }
  test.details = sentence_of(*bucket.verdict);
  if (gate.plan && gate.single) {
    std::vector<std::string> devices = gate.plan->devices;
    devices.insert(devices.end(), gate.single->devices.begin(), gate.single->devices.end());
    test.details += " [times: " + times_of(report, devices) + "]";
  }
  return test;
}

JunitSuite plan_suite(const Report& report, const PlanReport& plan) {
  const std::string model = plan.model_name.empty() ? plan.plan.model_fingerprint : plan.model_name;
  JunitSuite suite{"gate: " + model + " on " + joined(plan.plan.devices, " + "), {}};
  for (std::size_t i = 0; i < plan.plan.buckets.size(); ++i) {
    suite.cases.push_back(
        verdict_case(report, plan.plan.buckets[i], i < plan.gate.size() ? plan.gate[i] : GateTimes{}));
  }
  JunitCase current{.name = "devices are those of the plan"};
  if (const std::vector<std::string> changed = changed_devices(report, plan.plan); !changed.empty()) {
    current.state = JunitState::kFailed;
    current.message = joined(changed, ", ") + " changed since the plan was made; hetero-tune run makes a new one";
  }
  suite.cases.push_back(current);
  return suite;
}

JunitSuite sample_suite(const Report& report) {
  JunitSuite suite{"samples", {}};
  const auto add = [&](SampleStatus status, const std::string& name, const std::string& problem) {
    JunitCase test{.name = name};
    if (const auto found = report.samples.find(status); found != report.samples.end() && found->second > 0) {
      test.state = JunitState::kFailed;
      test.message = std::to_string(found->second) + " " + problem;
    }
    suite.cases.push_back(test);
  };
  add(SampleStatus::kWrongResult, "results are right", "samples had a wrong result");
  add(SampleStatus::kDeviceFailed, "devices work", "samples ended in a failure of the device");
  add(SampleStatus::kCompileFailed, "kernels compile", "samples could not be compiled");
  return suite;
}

}  // namespace

std::string junit_text(const std::vector<JunitSuite>& suites) {
  std::vector<JunitCase> all;
  for (const JunitSuite& suite : suites) all.insert(all.end(), suite.cases.begin(), suite.cases.end());
  std::string text =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites" + attribute("name", "hetero") + counts(all) + ">\n";
  for (const JunitSuite& suite : suites) {
    text += "  <testsuite" + attribute("name", suite.name) + counts(suite.cases) + ">\n";
    for (const JunitCase& test : suite.cases) text += case_text(suite.name, test);
    text += "  </testsuite>\n";
  }
  return text + "</testsuites>\n";
}

std::vector<JunitSuite> junit_suites(const Report& report) {
  std::vector<JunitSuite> suites;
  for (const PlanReport& plan : report.plans) suites.push_back(plan_suite(report, plan));
  suites.push_back(sample_suite(report));
  return suites;
}

bool any_failed(const std::vector<JunitSuite>& suites) {
  return std::any_of(suites.begin(), suites.end(), [](const JunitSuite& suite) {
    return std::any_of(suite.cases.begin(), suite.cases.end(),
                       [](const JunitCase& test) { return test.state == JunitState::kFailed; });
  });
}

}  // namespace hetero
