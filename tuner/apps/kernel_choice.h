// From searches to parameters in use: which kernels of a model are worth a search on a device, and what a finished
// search says about its kernel. Used by one thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "profiles/kernel_choice.h"
#include "profiles/model_shape.h"
#include "runtime/device/device.h"
#include "tuner/apps/kernel_search.h"

namespace hetero {

struct SearchTask {
  OpDesc op;  // the model's most important op of this kernel in its shape class
  const KernelVariant* variant = nullptr;
};

// Kernels with parameters that compute the model's ops on this device, once for each shape class in which they do, the
// most important one first; none for which `known` has a choice already.
std::vector<SearchTask> search_tasks(const ModelShape& shape, const Device& device,
                                     const std::vector<KernelChoice>& known);

// The best parameters against the catalogue's, both timed again in turn: the best ones when they are faster by more
// than what chance can do, else the catalogue's. Nothing when interrupted or nothing valid was found.
std::optional<KernelChoice> decide(const KernelSearch& search, const OpDesc& op, const KernelVariant& variant,
                                   const std::string& family_fingerprint);

// "matmul.opencl.gemm_q8 many_rows: rows_block=32 tile=6 ..., 0.77x of the default's time"
std::string words(const KernelChoice& choice);
// "matmul.graph, matmul m=256 n=14336 k=4096 w=q4_0 a=f32: weights_first=1, 0.17x of weights_first=0's time"
std::string words(const ShapeChoice& choice);

}  // namespace hetero
