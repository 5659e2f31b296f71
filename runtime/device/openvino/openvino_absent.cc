// The provider of `openvino` in a build without OpenVINO: it says what would add it.
#include "base/error.h"
#include "runtime/device/openvino/openvino_provider.h"

namespace hetero {
namespace {

constexpr const char* kAbsent = "this build has no OpenVINO";
constexpr const char* kRemedy = "run scripts/setup_openvino.sh, configure and build again";

class AbsentOpenVinoProvider final : public DeviceProvider {
 public:
  std::string_view name() const override { return "openvino"; }

  std::vector<DeviceDescription> discover() const override {
    DeviceDescription d;
    d.id = "openvino";
    d.kind = DeviceKind::kNpu;
    d.name = "OpenVINO";
    d.usable = false;
    d.why_not = std::string(kAbsent) + " (for openvino:NPU, openvino:GPU, openvino:CPU: " + kRemedy + ")";
    return {d};
  }

  std::unique_ptr<Device> open(const DeviceSpec& spec, const DeviceContext& /*context*/) const override {
    throw environment_error("device '" + spec.text + "' cannot be opened: " + kAbsent, kRemedy);
  }
};

}  // namespace

const DeviceProvider& openvino_provider() {
  static const AbsentOpenVinoProvider provider;
  return provider;
}

}  // namespace hetero
