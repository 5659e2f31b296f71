"""Writes a model of MNN's LLM engine from a GGUF file of the llama architecture: `python -m peers.mnn_model A.gguf FOLDER`.

The weights are the file's own, quantised again as MNN's exporter does by default: 4 bits, asymmetric, a float32 scale and
minimum for each block of 64 along k; the output matrix too, which is the embedding as well where the file ties them
(--bits 8 gives the layers 8 bits, --head-bits 8 the output). --blocks file carries Q4_0 and Q4_1 over bit by bit, in their blocks of 32. The graph is
the one that MNN's exporter makes of this architecture, written as MNN's JSON, and MNN's converter optimises it (fused
attention, RoPE and layouts). MNN sees tokens as numbers only: nothing stops an answer, and the tokenizer is a list of names.

Needs numpy, gguf and MNN >= 3.6. Not here: scaled RoPE (rope_freqs), biases, other architectures.
"""
import argparse
import json
import sys
from pathlib import Path

import numpy as np

FORMAT = 1  # of what this writes; raise it when it changes


class Weights:
    """The weight file: one matrix after the other, each as MNN's "external" block."""

    def __init__(self, out):
        self.out = out
        self.offset = 0

    def write(self, *arrays):
        """The bytes written."""
        size = 0
        for array in arrays:
            size += self.out.write(np.ascontiguousarray(array).tobytes())
        self.offset += size
        return size

    def matrix(self, levels, alpha, bits, asymmetric):
        """levels [n, k] of 0 .. 2^bits - 1, alpha [n, blocks, 2] of (value of the middle level, step) or [n, blocks, 1].

        External offsets, quantisation parameters, and where levels and alpha stand."""
        n, k = levels.shape
        start = self.offset
        wide = max(n, k) > 32767
        half = 1 << (bits - 1)
        values = np.arange(-half, half, dtype=np.int8)
        header = self.write(np.uint8(2), np.array([n, k], np.int32 if wide else np.int16),
                            np.uint8(len(values) % 256), values)
        packed = levels.reshape(-1, 2)
        packed = packed[:, 0] << 4 | packed[:, 1] if bits == 4 else levels
        size = header + self.write(packed)
        alpha_at = self.offset
        alpha_size = self.write(alpha.astype(np.float32))
        quantisation = {"quantScale": 1.0, "scaleIn": 0.0, "scaleOut": 0.0, "useInt32": False, "has_scaleInt": False,
                        "shapeInt32": wide, "type": 1, "aMaxOrBits": bits, "aMin": int(asymmetric),
                        "readType": n * alpha.shape[1] if asymmetric else 0, "weightSize": 0}
        return [start, size, alpha_size, 0, 0], quantisation, (start + header, alpha_at, alpha_size)


def quantised(values, bits, block):
    """float32 [n, k] to levels and alpha, from the least to the greatest value of each block."""
    n, k = values.shape
    blocks = values.reshape(n, k // block, block)
    low = blocks.min(axis=2, keepdims=True)
    step = (blocks.max(axis=2, keepdims=True) - low) / ((1 << bits) - 1)
    levels = np.rint((blocks - low) / np.where(step > 0, step, 1)).astype(np.uint8)
    return levels.reshape(n, k), np.concatenate([low + step * (1 << (bits - 1)), step], axis=2)


def carried_over(raw, form, n, k):
    """Q4_0 and Q4_1 as they are: levels, alpha, asymmetric."""
    scales = 1 if form == "Q4_0" else 2
    blocks = raw.reshape(n, k // 32, 16 + 2 * scales)
    d = np.ascontiguousarray(blocks[:, :, : 2 * scales]).view(np.float16).astype(np.float32)
    quants = blocks[:, :, 2 * scales :]
    levels = np.concatenate([quants & 15, quants >> 4], axis=2).reshape(n, k)
    alpha = d if form == "Q4_0" else np.stack([d[:, :, 1] + 8 * d[:, :, 0], d[:, :, 0]], axis=2)
    return levels, alpha, form == "Q4_1"


def half_rotation(matrix, heads):
    """Rows of q or k: GGUF rotates neighbours, MNN the two halves of a head."""
    rows = matrix.shape[0]
    return np.ascontiguousarray(matrix.reshape(heads, rows // heads // 2, 2, -1).swapaxes(1, 2).reshape(rows, -1))


class Graph:
    """Ops in order, tensors by name."""

    def __init__(self):
        self.tensors = []
        self.ops = []

    def add(self, kind, name, inputs, main_type=None, main=None, outputs=1, form="NCHW"):
        first = len(self.tensors)
        self.tensors += [name] + [f"{name}.{i}" for i in range(1, outputs)]
        op = {"name": name, "type": kind, "inputIndexes": inputs, "outputIndexes": list(range(first, first + outputs)),
              "defaultDimentionFormat": form}
        if main_type:
            op |= {"main_type": main_type, "main": main}
        self.ops.append(op)
        return first if outputs == 1 else list(range(first, first + outputs))

    def constant(self, name, values):
        values = np.asarray(values)
        whole = values.dtype.kind == "i"
        return self.add("Const", name, [], "Blob", {
            "dims": list(values.shape), "dataFormat": "NCHW", "dataType": "DT_INT32" if whole else "DT_FLOAT",
            "int32s" if whole else "float32s": values.flatten().tolist()})

    def reshape(self, name, tensor, dims):
        return self.add("Reshape", name, [tensor], "Reshape", {"dims": dims, "dimType": "NCHW"})

    def convert(self, name, tensor, source, dest):
        return self.add("ConvertTensor", name, [tensor], "TensorConvertInfo", {"source": source, "dest": dest})

    def binary(self, kind, name, a, b):
        return self.add("BinaryOp", name, [a, b], "BinaryOp", {"opType": kind, "T": "DT_FLOAT", "activationType": 0})

    def unary(self, kind, name, tensor):
        return self.add("UnaryOp", name, [tensor], "UnaryOp", {"opType": kind, "T": "DT_FLOAT"})

    def norm(self, name, tensor, gamma, epsilon):
        return self.add("LayerNorm", name, [tensor], "LayerNorm", {
            "axis": [-1], "epsilon": epsilon, "gamma": gamma.tolist(), "beta": [0.0] * len(gamma), "group": 1,
            "useRMSNorm": True})

    def packed(self, name, tensor, k):
        """What a matmul reads: [rows, k, 1, 1] in blocks of channels."""
        return self.convert(f"{name}/pre_convert", self.reshape(f"{name}/pre_reshape", tensor, [-1, k, 1, 1]), "NCHW",
                            "NC4HW4")

    def matmul(self, name, tensor, n, k, external, quantisation):
        """tensor is packed; gives [1, rows, n]."""
        out = self.add("Convolution", name, [tensor], "Convolution2D", {
            "common": {"dilateX": 1, "dilateY": 1, "strideX": 1, "strideY": 1, "kernelX": 1, "kernelY": 1, "padX": 0,
                       "padY": 0, "group": 1, "outputCount": n, "relu": False, "padMode": "CAFFE", "relu6": False,
                       "inputCount": k, "hasOutputShape": False},
            "quanParameter": quantisation, "external": external}, form="NHWC")
        plain = self.convert(f"{name}/post_convert", out, "NC4HW4", "NCHW")
        return self.reshape(f"{name}/post_reshape", plain, [1, -1, n])


class Model:
    """What the GGUF file says, with its tensors by name."""

    def __init__(self, path):
        from gguf import GGUFReader
        reader = GGUFReader(path)
        self.tensors = {t.name: t for t in reader.tensors}

        def value(key, default=None):
            field = reader.fields.get(key)
            if field is None and default is None:
                sys.exit(f"mnn_model.py: {path} has no {key}")
            return default if field is None else field.contents()

        if value("general.architecture") != "llama":
            sys.exit(f"mnn_model.py: {path} is of the architecture {value('general.architecture')}; only llama is written")
        if "rope_freqs.weight" in self.tensors:
            sys.exit(f"mnn_model.py: {path} scales its positions (rope_freqs), which is not written")
        self.width = value("llama.embedding_length")
        self.layers = value("llama.block_count")
        self.heads = value("llama.attention.head_count")
        self.kv_heads = value("llama.attention.head_count_kv", self.heads)
        self.head_dim = value("llama.attention.key_length", self.width // self.heads)
        self.rope_base = value("llama.rope.freq_base", 10000.0)
        self.epsilon = value("llama.attention.layer_norm_rms_epsilon")
        self.tokens = value("tokenizer.ggml.tokens")

    def floats(self, name):
        from gguf.quants import dequantize
        tensor = self.tensors[name]
        return np.asarray(dequantize(tensor.data, tensor.tensor_type), np.float32)


def write_graph(model, weights, args):
    """The graph as MNN's JSON, and where the tied embedding stands in the weight file (None: it is not tied)."""
    g = Graph()
    width, head_dim = model.width, model.head_dim

    def linear(name, source, tensor, heads=0, bits=args.bits):
        t = model.tensors[source]
        k, n = (int(d) for d in t.shape)
        form = t.tensor_type.name
        if args.blocks == "file" and bits == 4 and form in ("Q4_0", "Q4_1"):
            raw = np.asarray(t.data).reshape(n, -1)
            levels, alpha, asymmetric = carried_over(half_rotation(raw, heads) if heads else raw, form, n, k)
        else:
            values = model.floats(source).reshape(n, k)
            levels, alpha = quantised(half_rotation(values, heads) if heads else values, bits, args.block)
            asymmetric = True
        external, quantisation, place = weights.matrix(levels, alpha, bits, asymmetric)
        return g.matmul(name, tensor, n, k, external, quantisation), place

    inputs = {}
    for name, dims, kind in (("input_ids", [-1, 1, width], "DT_FLOAT"), ("attention_mask", [1, 1, -1, -1], "DT_FLOAT"),
                             ("position_ids", [1, -1], "DT_INT32"), ("logits_index", [1], "DT_INT32")):
        inputs[name] = g.add("Input", name, [], "Input", {"dims": dims, "dtype": kind, "dformat": "NCHW"})

    angles = model.rope_base ** (-np.arange(0, head_dim, 2, dtype=np.float32) / head_dim)
    position = g.add("Cast", "position", [inputs["position_ids"]], "CastParam", {"srcT": "DT_INT32", "dstT": "DT_FLOAT"})
    position = g.binary("MUL", "angle", g.reshape("position_column", position, [-1, 1]),
                        g.constant("theta", np.concatenate([angles, angles])[None]))
    cos = g.reshape("cos4", g.unary("COS", "cos", position), [1, -1, 1, head_dim])
    sin = g.reshape("sin4", g.unary("SIN", "sin", position), [1, -1, 1, head_dim])

    hidden = g.reshape("hidden", inputs["input_ids"], [1, -1, width])
    for i in range(model.layers):
        name, block = f"/layers.{i}", f"blk.{i}"
        x = g.norm(f"{name}/attn_norm", hidden, model.floats(f"{block}.attn_norm.weight"), model.epsilon)
        x = g.packed(f"{name}/qkv", x, width)
        q, _ = linear(f"{name}/q_proj", f"{block}.attn_q.weight", x, model.heads)
        k, _ = linear(f"{name}/k_proj", f"{block}.attn_k.weight", x, model.kv_heads)
        v, _ = linear(f"{name}/v_proj", f"{block}.attn_v.weight", x)
        q = g.reshape(f"{name}/q", q, [1, -1, model.heads, head_dim])
        k = g.reshape(f"{name}/k", k, [1, -1, model.kv_heads, head_dim])
        v = g.reshape(f"{name}/v", v, [1, -1, model.kv_heads, head_dim])
        q, k = g.add("RoPE", f"{name}/rope", [q, k, cos, sin], "RoPEParam", {
            "rope_cut_head_dim": head_dim, "num_head": model.heads, "kv_num_head": model.kv_heads,
            "head_dim": head_dim}, outputs=2)
        x = g.add("Attention", f"{name}/attention", [q, k, v, inputs["attention_mask"]], "AttentionParam",
                  {"kv_cache": True, "layer_index": i}, form="NHWC")
        x = g.packed(f"{name}/o_proj", x, model.heads * head_dim)
        x, _ = linear(f"{name}/o_proj", f"{block}.attn_output.weight", x)
        hidden = g.binary("ADD", f"{name}/attn_add", hidden, x)
        x = g.norm(f"{name}/ffn_norm", hidden, model.floats(f"{block}.ffn_norm.weight"), model.epsilon)
        x = g.packed(f"{name}/ffn", x, width)
        gate, _ = linear(f"{name}/gate_proj", f"{block}.ffn_gate.weight", x)
        up, _ = linear(f"{name}/up_proj", f"{block}.ffn_up.weight", x)
        x = g.binary("MUL", f"{name}/mul", g.unary("SILU", f"{name}/silu", gate), up)
        x = g.packed(f"{name}/down_proj", x, int(model.tensors[f"{block}.ffn_down.weight"].shape[0]))
        x, _ = linear(f"{name}/down_proj", f"{block}.ffn_down.weight", x)
        hidden = g.binary("ADD", f"{name}/ffn_add", hidden, x)
        print(f"\rlayer {i + 1} of {model.layers}", end="", file=sys.stderr)

    last = g.add("StridedSlice", "last", [
        hidden, inputs["logits_index"], g.constant("slice_end", np.array([2**31 - 1], np.int32)),
        g.constant("slice_axis", np.array([1], np.int32)), g.constant("slice_step", np.array([1], np.int32))],
        "StridedSliceParam", {"Index": "DT_INT32", "T": "DT_FLOAT", "beginMask": 0, "endMask": 0, "ellipsisMask": 0,
                              "newAxisMask": 0, "shrinkAxisMask": 0, "fromType": 1})
    x = g.packed("lm", g.norm("final_norm", last, model.floats("output_norm.weight"), model.epsilon), width)
    tied = "output.weight" not in model.tensors
    x, place = linear("/lm/lm_head", "token_embd.weight" if tied else "output.weight", x, bits=args.head_bits)
    g.tensors[x] = "logits"
    print("\r" + " " * 20, end="\r", file=sys.stderr)
    return {"oplists": g.ops, "tensorName": g.tensors, "tensorNumber": len(g.tensors), "outputName": ["logits"],
            "sourceType": "ONNX", "bizCode": "MNN", "usage": "INFERENCE"}, place if tied else None


def convert(*arguments):
    """Not MNN.tools.mnnconvert: importing that installs a log client with pip and reports home."""
    import _tools
    _tools.mnnconvert(["mnnconvert", *map(str, arguments)])


def write_tokens(path, tokens):
    """The form of a byte-level vocabulary without merges; no special tokens, no stops."""
    with open(path, "w", encoding="utf-8") as out:
        out.write("430 3\n0 0 0\n\n")
        out.write(f"{len(tokens)} 0\n")
        out.writelines(token.replace("\n", " ") + "\n" for token in tokens)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--block", type=int, default=64, help="elements that share a scale")
    parser.add_argument("--blocks", choices=("new", "file"), default="new", help="file: Q4_0 and Q4_1 as they are")
    parser.add_argument("--bits", type=int, choices=(4, 8), default=4, help="of the layers' weights")
    parser.add_argument("--head-bits", type=int, choices=(4, 8), default=4)
    parser.add_argument("--plain", action="store_true", help="without the converter's fusions, to look for errors")
    args = parser.parse_args()
    model = Model(args.gguf)
    args.folder.mkdir(parents=True, exist_ok=True)
    with open(args.folder / "llm.mnn.weight", "wb") as out:
        weights = Weights(out)
        graph, tied = write_graph(model, weights, args)
    stage = args.folder / "stage.json"
    stage.write_text(json.dumps(graph), encoding="utf-8")
    convert("-f", "JSON", "--modelFile", stage, "--MNNModel", args.folder / "stage.mnn")
    if args.plain:
        (args.folder / "stage.mnn").rename(args.folder / "llm.mnn")
    else:
        convert("-f", "MNN", "--modelFile", args.folder / "stage.mnn", "--MNNModel", args.folder / "llm.mnn",
                "--optimizeLevel=1", "--transformerFuse")
        (args.folder / "stage.mnn").unlink()
    stage.unlink()
    config = {"model_type": "llama", "hidden_size": model.width, "layer_nums": model.layers, "attention_mask": "float",
              "attention_type": "full", "is_mrope": False, "use_template": False}
    if tied:
        block = 32 if args.blocks == "file" and args.head_bits == 4 and \
            model.tensors["token_embd.weight"].tensor_type.name in ("Q4_0", "Q4_1") else args.block
        config["tie_embeddings"] = [*tied, args.head_bits, block]
    else:
        bits = model.floats("token_embd.weight").view(np.uint32)
        (args.folder / "embeddings_bf16.bin").write_bytes(((bits + 0x8000) >> 16).astype(np.uint16).tobytes())
    write_tokens(args.folder / "tokenizer.txt", model.tokens)
    (args.folder / "llm_config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    (args.folder / "config.json").write_text(json.dumps({
        "llm_model": "llm.mnn", "llm_weight": "llm.mnn.weight", "backend_type": "cpu", "thread_num": 2,
        "precision": "low", "memory": "low", "sampler_type": "greedy"}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
