#!/usr/bin/env python3
"""Writes a GGUF v3 file of the llama architecture with random weights: any shape, for tests and measurements.

  scripts/make_model.py --shape llama-3.2-1b --quant q4_0 -o models/llama-3.2-1b-random.gguf
  scripts/make_model.py --width 512 --ffn 1536 --heads 8 --kv-heads 2 --layers 4 --vocab 1024 -o models/small.gguf

The answers of such a model mean nothing; its times are those of a real one. Same arguments, same bytes.
Needs numpy. Weights are drawn as random blocks of the format, never quantised from floats, and written as they come.
"""
import argparse
import json
import os
import struct
import sys
from pathlib import Path

try:
    import numpy as np
except ImportError:
    # Debian's python3-numpy serves Debian's python3, which need not be the one that runs this.
    if sys.executable != "/usr/bin/python3" and Path("/usr/bin/python3").exists() and not os.environ.get("HETERO_REEXEC"):
        os.environ["HETERO_REEXEC"] = "1"
        os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])
    sys.exit("make_model.py: needs numpy; install python3-numpy")

ROOT = Path(__file__).resolve().parent.parent
ALIGNMENT = 32
CHUNK_ELEMENTS = 1 << 22  # weights made at a time: some tens of MB at the most

# ---- weight formats: number in the file, elements and bytes of a block, and how to draw blocks of a given standard deviation


def f16(values):
    return np.asarray(values, dtype=np.float16).view(np.uint8).reshape(-1, 2)


def signed_scale(rng, blocks, size):
    """Scales of random sign: a format whose range is not symmetric has no mean then."""
    return size * rng.choice(np.array([-1.0, 1.0]), blocks)


def random_bytes(rng, blocks, count):
    return np.frombuffer(rng.bytes(blocks * count), dtype=np.uint8).reshape(blocks, count)


def uniform_std(levels):
    return ((levels * levels - 1) / 12.0) ** 0.5


def make_f32(rng, blocks, std):
    return (rng.standard_normal(blocks, dtype=np.float32) * np.float32(std)).view(np.uint8)


def make_f16(rng, blocks, std):
    return f16(rng.standard_normal(blocks, dtype=np.float32) * np.float32(std))


def make_bf16(rng, blocks, std):
    bits = (rng.standard_normal(blocks, dtype=np.float32) * np.float32(std)).view(np.uint32)
    return ((bits + 0x8000) >> 16).astype(np.uint16).view(np.uint8)


def symmetric(levels, quant_bytes):
    """d, quants: value = d * (quant - levels / 2)."""

    def make(rng, blocks, std):
        d = f16(signed_scale(rng, blocks, std / uniform_std(levels)))
        return np.concatenate([d, random_bytes(rng, blocks, quant_bytes)], axis=1)

    return make


def with_minimum(levels, quant_bytes):
    """d, m, quants: value = d * quant + m."""

    def make(rng, blocks, std):
        d = np.full(blocks, std / uniform_std(levels))
        return np.concatenate([f16(d), f16(-d * (levels - 1) / 2), random_bytes(rng, blocks, quant_bytes)], axis=1)

    return make


def make_q8_0(rng, blocks, std):
    d = f16(signed_scale(rng, blocks, std / uniform_std(255)))
    quants = rng.integers(-127, 128, (blocks, 32), dtype=np.int8).view(np.uint8)
    return np.concatenate([d, quants], axis=1)


def k_quant(levels, quant_bytes):
    """d, dmin, eight 6-bit scales and minima in 12 bytes, quants: value = d * scale * quant - dmin * minimum.

    Minimum = scale and dmin = d * (levels - 1) / 2 centre every sub-block."""

    def make(rng, blocks, std):
        s = rng.integers(24, 64, (blocks, 8), dtype=np.uint8)
        mean_square = float(np.mean(np.arange(24, 64) ** 2.0))
        d = np.full(blocks, std / (uniform_std(levels) * mean_square**0.5))
        low, high = s[:, :4], s[:, 4:]
        first = low | ((high >> 4) << 6)
        packed = np.concatenate([first, first, (high & 15) | ((high & 15) << 4)], axis=1)
        dmin = d * (levels - 1) / 2
        return np.concatenate([f16(d), f16(dmin), packed, random_bytes(rng, blocks, quant_bytes)], axis=1)

    return make


def make_q6_k(rng, blocks, std):
    scales = rng.integers(32, 97, (blocks, 16), dtype=np.int8)
    mean_square = float(np.mean(np.arange(32, 97) ** 2.0))
    d = f16(signed_scale(rng, blocks, std / (uniform_std(64) * mean_square**0.5)))
    return np.concatenate([random_bytes(rng, blocks, 192), scales.view(np.uint8), d], axis=1)


FORMATS = {  # name: (number in the file, elements of a block, bytes of a block, maker, general.file_type)
    "f32": (0, 1, 4, make_f32, 0),
    "f16": (1, 1, 2, make_f16, 1),
    "bf16": (30, 1, 2, make_bf16, 32),
    "q4_0": (2, 32, 18, symmetric(16, 16), 2),
    "q4_1": (3, 32, 20, with_minimum(16, 16), 3),
    "q5_0": (6, 32, 22, symmetric(32, 20), 8),
    "q5_1": (7, 32, 24, with_minimum(32, 20), 9),
    "q8_0": (8, 32, 34, make_q8_0, 7),
    "q4_k": (12, 256, 144, k_quant(16, 128), 15),
    "q5_k": (13, 256, 176, k_quant(32, 160), 17),
    "q6_k": (14, 256, 210, make_q6_k, 18),
}
# What stands in where rows are no multiple of 256.
FALLBACK = {"q4_k": "q5_0", "q5_k": "q5_1", "q6_k": "q8_0"}


def format_for(name, k):
    if k % FORMATS[name][1] != 0 and name in FALLBACK:
        name = FALLBACK[name]
    if k % FORMATS[name][1] != 0:
        sys.exit(f"make_model.py: rows of {k} elements are no multiple of {FORMATS[name][1]}, as {name} needs")
    return name


# ---- shape

LAYER_KEYS = ("q", "k", "v", "out", "gate", "up", "down")


def read_shape(args):
    """A "hetero.model_shape" document (version 1), with the flags on top."""
    shape = {"name": "random", "max_context": 4096, "vocab": 4096}
    if args.shape:
        path = Path(args.shape) if args.shape.endswith(".json") else ROOT / "profiles/models" / f"{args.shape}.json"
        try:
            shape.update(json.loads(path.read_text()))
        except (OSError, ValueError) as error:
            known = ", ".join(sorted(p.stem for p in (ROOT / "profiles/models").glob("*.json")))
            sys.exit(f"make_model.py: no usable shape {args.shape} ({error}); known: {known}")
        if shape.get("schema") != "hetero.model_shape" or int(shape.get("version", 0)) != 1:
            sys.exit(f"make_model.py: {path} is not a hetero.model_shape document of version 1")
    flags = {
        "width": args.width, "ffn_width": args.ffn, "heads": args.heads, "kv_heads": args.kv_heads,
        "head_dim": args.head_dim, "layers": args.layers, "vocab": args.vocab, "max_context": args.context,
    }
    shape.update({key: value for key, value in flags.items() if value is not None})
    for key in ("width", "ffn_width", "heads", "layers"):
        if key not in shape:
            sys.exit(f"make_model.py: no {key}; give --shape or --width --ffn --heads --layers")
    shape.setdefault("kv_heads", shape["heads"])
    shape.setdefault("head_dim", shape["width"] // shape["heads"])
    for key in (*flags, "kv_heads", "head_dim"):
        if not 0 < shape[key] < 1 << 30:
            sys.exit(f"make_model.py: {key} = {shape[key]} makes no sense")
    if shape["heads"] % shape["kv_heads"] != 0 or shape["head_dim"] % 2 != 0:
        sys.exit("make_model.py: heads must be a multiple of kv-heads, and head-dim even")
    if shape["vocab"] < len(SPECIALS) + 256:
        sys.exit(f"make_model.py: --vocab must be at least {len(SPECIALS) + 256}, for the bytes and the special tokens")
    return shape


def head_format(args, shape):
    if args.head_quant:
        return args.head_quant
    if args.quant is None and "head_type" in shape:
        return shape["head_type"]
    return args.quant if args.quant in ("f32", "f16", "bf16", "q8_0") else "q6_k"  # as llama.cpp's mixtures do


def layer_formats(args, shape, layer):
    if args.quant is None and "layer_types" in shape:
        types = shape["layer_types"]
        return types[0 if len(types) == 1 else min(layer, len(types) - 1)]
    return dict.fromkeys(LAYER_KEYS, args.quant or "q4_0")


def list_tensors(args, shape):
    """[(name, n or 0 for a vector, k, format)] in file order."""
    width, ffn, dim = shape["width"], shape["ffn_width"], shape["head_dim"]
    q_width, kv_width = shape["heads"] * dim, shape["kv_heads"] * dim
    head = head_format(args, shape)
    tensors = [("token_embd.weight", shape["vocab"], width, format_for(head, width))]
    for layer in range(shape["layers"]):
        types, prefix = layer_formats(args, shape, layer), f"blk.{layer}."
        rows = [("attn_q", q_width, width, "q"), ("attn_k", kv_width, width, "k"), ("attn_v", kv_width, width, "v"),
                ("attn_output", width, q_width, "out"), ("ffn_gate", ffn, width, "gate"), ("ffn_up", ffn, width, "up"),
                ("ffn_down", width, ffn, "down")]
        tensors.append((prefix + "attn_norm.weight", 0, width, "f32"))
        tensors.append((prefix + "ffn_norm.weight", 0, width, "f32"))
        tensors += [(f"{prefix}{name}.weight", n, k, format_for(types[key], k)) for name, n, k, key in rows]
    tensors.append(("output_norm.weight", 0, width, "f32"))
    tied = args.tied if args.tied is not None else bool(shape.get("tied", False))
    if not tied:
        tensors.append(("output.weight", shape["vocab"], width, format_for(head, width)))
    return tensors


# ---- metadata

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def byte_tokens():
    """The printable characters that stand for the 256 bytes in byte-level vocabularies."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(256, 512))
    return [chr(b) if b in printable else chr(next(others)) for b in range(256)]


def text(value):
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def typed(value):
    if isinstance(value, bool):
        return struct.pack("<IB", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + text(value)
    if value and isinstance(value[0], int):
        return struct.pack("<IIQ", 9, 5, len(value)) + struct.pack(f"<{len(value)}i", *value)
    return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(text, value))


def metadata(args, shape, tensors):
    matrix = next(t[3] for t in tensors if "attn_q" in t[0])
    tokens = byte_tokens() + SPECIALS
    fillers = shape["vocab"] - len(tokens)
    return {
        "general.architecture": "llama",
        "general.name": f"{shape['name']} (random weights)",
        "general.file_type": FORMATS[matrix][4],
        "general.quantization_version": 2,
        "general.alignment": ALIGNMENT,
        "llama.block_count": shape["layers"],
        "llama.context_length": shape["max_context"],
        "llama.embedding_length": shape["width"],
        "llama.feed_forward_length": shape["ffn_width"],
        "llama.attention.head_count": shape["heads"],
        "llama.attention.head_count_kv": shape["kv_heads"],
        "llama.attention.key_length": shape["head_dim"],
        "llama.attention.value_length": shape["head_dim"],
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": shape["head_dim"],
        "llama.rope.freq_base": args.rope_base,
        "llama.vocab_size": shape["vocab"],
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": tokens + [f"<filler{i}>" for i in range(fillers)],
        "tokenizer.ggml.token_type": [1] * 256 + [3] * len(SPECIALS) + [1] * fillers,
        "tokenizer.ggml.merges": [],
        "tokenizer.ggml.bos_token_id": 257,
        "tokenizer.ggml.eos_token_id": 258,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": TEMPLATE,
    }


# ---- file


def tensor_bytes(tensor):
    _, n, k, name = tensor
    _, elements, size, _, _ = FORMATS[name]
    return max(n, 1) * (k // elements) * size


def aligned(offset):
    return -(-offset // ALIGNMENT) * ALIGNMENT


def header(args, shape, tensors):
    keys = metadata(args, shape, tensors)
    out = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(keys))]
    out += [text(key) + typed(value) for key, value in keys.items()]
    offset = 0
    for tensor in tensors:
        name, n, k, form = tensor
        dims = [k, n] if n else [k]
        out.append(text(name) + struct.pack(f"<I{len(dims)}Q", len(dims), *dims))
        out.append(struct.pack("<IQ", FORMATS[form][0], offset))
        offset = aligned(offset + tensor_bytes(tensor))
    head = b"".join(out)
    return head + b"\0" * (aligned(len(head)) - len(head))


def write_tensor(out, tensor, seed, index):
    _, n, k, form = tensor
    _, elements, _, make, _ = FORMATS[form]
    rng = np.random.Generator(np.random.SFC64([seed, index]))
    if n == 0:  # a norm's weight
        out.write((1 + 0.1 * rng.standard_normal(k, dtype=np.float32)).astype("<f4").tobytes())
    else:
        left = n * k // elements
        while left > 0:
            blocks = min(left, CHUNK_ELEMENTS // elements)
            out.write(np.ascontiguousarray(make(rng, blocks, k**-0.5)).data)
            left -= blocks
    out.write(b"\0" * (aligned(tensor_bytes(tensor)) - tensor_bytes(tensor)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", help="name under profiles/models, or a .json file")
    for flag in ("width", "ffn", "heads", "kv-heads", "head-dim", "layers", "vocab", "context"):
        parser.add_argument(f"--{flag}", type=int, metavar="N")
    parser.add_argument("--quant", choices=FORMATS, help="of all matrices of the layers (default: the shape's, else q4_0)")
    parser.add_argument("--head-quant", choices=FORMATS, help="of embedding and output (default: as llama.cpp mixes)")
    tied = parser.add_mutually_exclusive_group()
    tied.add_argument("--tied", dest="tied", action="store_true", default=None, help="the embedding is the output matrix too")
    tied.add_argument("--untied", dest="tied", action="store_false")
    parser.add_argument("--rope-base", type=float, default=10000.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, help="default: models/SHAPE-QUANT.gguf")
    args = parser.parse_args()
    if args.seed < 0:
        parser.error("--seed must be 0 or more")
    shape = read_shape(args)
    tensors = list_tensors(args, shape)

    if args.output is None:
        name = Path(args.shape).stem if args.shape else "custom"
        args.output = Path(__file__).resolve().parent.parent / "models" / f"{name}-{args.quant or 'mixed'}.gguf"
    temporary = args.output.with_name(f"{args.output.name}.{os.getpid()}.tmp")
    try:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as out:
            out.write(header(args, shape, tensors))
            for index, tensor in enumerate(tensors):
                write_tensor(out, tensor, args.seed, index)
        os.replace(temporary, args.output)
    except OSError as error:
        sys.exit(f"make_model.py: cannot write {args.output}: {error.strerror}; free some space or choose another -o")
    finally:
        temporary.unlink(missing_ok=True)
    parameters = sum(max(n, 1) * k for _, n, k, _ in tensors)
    print(f"{args.output}: {parameters / 1e6:.0f} M random parameters, {args.output.stat().st_size / 1e6:.0f} MB", file=sys.stderr)


if __name__ == "__main__":
    main()
