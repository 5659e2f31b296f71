// What the tests of the openvino devices share: opening one, and segments of real blocks with an oracle.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "runtime/device/openvino/openvino_device.h"

namespace hetero::test {

// The last core of this process: the first is where a test's own thread begins.
int last_core();

// openvino:CPU on the last core with these options ("precision=f32&sizes=1.8"). `timeline` outlives the device.
std::unique_ptr<OpenVinoDevice> open_openvino(Timeline& timeline, const std::string& options,
                                              const std::string& cache_dir = "",
                                              const std::vector<ShapeChoice>& by_shape = {});

// An arena and the weights that its ops refer to. Values are drawn from a fixed seed.
class Bench {
 public:
  Arena arena;

  TensorId tensor(const std::string& name, std::int64_t rows, std::int64_t cols, RowOrigin origin = RowOrigin::kStep) {
    return arena.add(name, rows, cols, origin);
  }
  // Allocates the arena and fills it.
  void fill();
  WeightView weight(DType type, std::int64_t n, std::int64_t k);
  WeightView vector(std::int64_t length);

 private:
  Rng rng_{41};
  std::vector<std::unique_ptr<std::vector<std::byte>>> storage_;
};

Region whole(const Arena& arena, TensorId id, std::int64_t rows);
Op matmul(const WeightView& weight, const Region& in, const Region& out, const Region& residual = {});
Op rms_norm(const WeightView& weight, const Region& in, const Region& out);
Op swiglu(const Region& gate, const Region& up, const Region& out);

// Runs the segment once at `position`.
void run(Device& device, Timeline& timeline, PreparedSegment& prepared, std::int64_t position);
// The same by the reference kernels.
void run_reference(Arena& arena, const Segment& segment, std::int64_t position);

// |got - want| / |want| over two copies of an arena's memory.
double relative_error(const std::vector<float>& got, const std::vector<float>& want);
std::vector<float> snapshot(Arena& arena);
void restore(Arena& arena, const std::vector<float>& values);

}  // namespace hetero::test
