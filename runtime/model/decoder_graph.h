// Builds the graph of a decoder of the Llama family from roles: with the weights of a file, or from a shape alone for
// simulation. Shared by arch/<name>.cc; names no file format.
#pragma once

#include "profiles/model_shape.h"
#include "runtime/model/graph.h"

namespace hetero {

// The weights' addresses tell them apart and must not be read; the embedding's is null. Only devices that do not
// compute can run it.
Graph graph_from_shape(const ModelShape& shape);

// A weight by its role; what decoder_graph() asks for. Norm weights have n = 1.
struct DecoderWeights {
  struct Layer {
    WeightView attention_norm, q, k, v, out, ffn_norm, gate, up, down;
  };
  WeightView embedding, final_norm, head;
  WeightView rope_factors;  // data may be null: no factors
  std::vector<Layer> layers;
};

// The blocks of a decoder of the Llama family, in the order that graph.h documents. Of `shape`, its formats and name
// are not read. Every op gets a copy of `constants`.
Graph decoder_graph(const ModelShape& shape, const DecoderWeights& weights, const OpConstants& constants);

}  // namespace hetero
