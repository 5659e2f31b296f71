#!/usr/bin/env python3
"""How speed grows with the model, the prompt, the threads and the devices, beside what the machine's limits allow.

  scripts/growth.py --models DIR [--db FILE] [--devices cpu:0,opencl:0@1] [--shapes smollm2-135m,...] [--base llama-3.2-1b]
                    [--rounds 3] [--out growth.md] [--picture growth.svg] [--keep growth.json]

Models are drawn at random (scripts/make_model.py, Q4_0) into DIR where they are not there yet: 7B takes 4 GB. Measured by
hetero-infer --bench: pp256 and tg32 of every shape; prompts of 1 to 8192 tokens, 1 thread and all, and the devices
alone and together (under the tuned plan, if there is one) for the base shape. Limits (hetero-bench --limits) are taken
before and after every measurement; the mean of both counts.

Roofline of a prompt: the layers' matmuls at the peak of 8-bit dot products, attention at the peak of f32; of a token:
every weight read once at the bandwidth of reading. The picture needs python3-matplotlib. Exit codes: 0 done, 2 usage,
3 something is missing.
"""
import argparse
import json
import subprocess
import sys
from pathlib import Path

import plan_timing as timing

SHAPES = "smollm2-135m,qwen2.5-0.5b,llama-3.2-1b,internlm2-1.8b,llama-3.2-3b,qwen2.5-7b"
PROMPTS = (1, 8, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
FEW = 1024  # prompts beyond this are measured twice only: they take seconds


def model_file(args, shape):
    path = args.models / f"{shape}-q4_0.gguf"
    if not path.exists():
        args.models.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        timing.run([sys.executable, timing.ROOT / "scripts/make_model.py", "--shape", shape, "--quant", "q4_0", "-o", part])
        part.rename(path)
    return path


def limits(args):
    """Of one core and of all: 8-bit and f32 operations, reads; per second."""
    rows = json.loads(timing.run([args.bin / "hetero-bench", "--limits", "--json"]))
    peak = {kind: max(r["value"] for r in rows if r["unit"] == "Gop/s" and kind in r["name"]) * 1e9
            for kind in ("f32", "8-bit")}
    reads = [r["value"] * 1e9 for r in rows if r["unit"] == "GB/s"]
    return {"f32": peak["f32"], "8-bit": peak["8-bit"], "read": reads}


def between(before, after):
    mean = {kind: (before[kind] + after[kind]) / 2 for kind in ("f32", "8-bit")}
    mean["read"] = [(a + b) / 2 for a, b in zip(before["read"], after["read"])]
    return mean


def shape_of(name):
    return json.loads((timing.ROOT / f"profiles/models/{name}.json").read_text(encoding="utf-8"))


def roofline(row, shape, test, cores, limit):
    """Tokens per second."""
    tokens = int(test[2:])
    read = limit["read"][min(cores, len(limit["read"])) - 1]
    if test.startswith("tg") or tokens == 1:
        return read / row["model"]["bytes"]
    attention = 4 * tokens * (tokens + 1) / 2 * shape["heads"] * shape["head_dim"] * shape["layers"]
    seconds = (tokens * row["model"]["ops_per_token"] / limit["8-bit"] + attention / limit["f32"]) / cores
    return tokens / max(seconds, row["model"]["bytes"] / read)


def measured(args, name, tests, devices, cores, rounds, extra=()):
    """One row a test: {what, test, rate, mad, roofline}."""
    before = limits(args)
    text = timing.run([args.bin / "hetero-infer", "-q", "-m", model_file(args, name), "--devices", devices, "--bench",
                       ",".join(tests), "-r", rounds, "--json", *extra])
    limit = between(before, limits(args))
    rows = []
    for row in json.loads(text):
        rows.append({"test": row["test"], "devices": "+".join(row["devices"]), "plan": row["plan"],
                     "params": row["model"]["params"], "rate": row["tok_per_s"]["median"],
                     "mad": row["tok_per_s"]["mad"],
                     "roofline": roofline(row, shape_of(name), row["test"], cores, limit)})
    print(f"{name} {devices}: {', '.join(r['test'] + ' ' + format(r['rate'], '.1f') for r in rows)}", file=sys.stderr)
    return rows


def collected(args):
    none = ("--plan", "none")
    found = {"model size": [], "prompt length": [], "threads": [], "devices": []}
    for shape in args.shapes.split(","):
        for row in measured(args, shape, ("pp256", "tg32"), args.cpu, args.cores, args.rounds, none):
            found["model size"].append({"what": shape, **row})
    for prompt in args.prompts:
        context = max(prompt, 64)
        rounds = args.rounds if prompt <= FEW else 2
        for row in measured(args, args.base, (f"pp{prompt}",), args.cpu, args.cores, rounds,
                            (*none, "--context", context)):
            found["prompt length"].append({"what": f"{prompt} tokens", "tokens": prompt, **row})
    for cores in range(1, args.cores + 1):
        devices = "cpu:" + (f"0-{cores - 1}" if cores > 1 else "0")
        for row in measured(args, args.base, ("pp256", "tg32"), devices, cores, args.rounds, none):
            found["threads"].append({"what": f"{cores} threads" if cores > 1 else "1 thread", **row})
    database = ("--db", args.db) if args.db else ()
    for row in measured(args, args.base, ("pp256", "tg32"), args.devices, args.cores, args.rounds,
                        ("--with-singles", *database)):
        if "+" not in row["devices"]:
            row["roofline"] = None  # of part of the cores: the row of one thread has it
        found["devices"].append({"what": f"{row['devices']} ({row['plan']})", **row})
    return found


def document(args, found):
    text = timing.machine(args) + "\n"
    for section, rows in found.items():
        lines = []
        for row in rows:
            part = f"{100 * row['rate'] / row['roofline']:.0f} %" if row["roofline"] else "-"
            line = [row["what"], row["test"], f"{row['rate']:.1f} ± {row['mad']:.1f}",
                    f"{row['roofline']:.0f}" if row["roofline"] else "-", part]
            lines.append(line)
        text += f"\n**By {section}**\n\n" + timing.table(["what", "test", "tok/s", "roofline", "part of it"], lines)
    return text


def draw(found, path):
    try:
        import matplotlib
    except ImportError:
        timing.fail("--picture needs matplotlib: apt-get install python3-matplotlib")
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "hetero"  # the same figures, the same bytes
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(2, 2, figsize=(11, 7.5), layout="constrained")

    def lines(axis, rows, position, title, x_label):
        for test, colour in (("pp", "tab:blue"), ("tg", "tab:orange")):
            own = [r for r in rows if r["test"].startswith(test)]
            if not own:
                continue
            name = "prefill" if test == "pp" else "decode"
            axis.plot([position(r) for r in own], [r["rate"] for r in own], "o-", color=colour, label=name)
            axis.plot([position(r) for r in own], [r["roofline"] for r in own], "--", color=colour,
                      label=f"{name}, roofline")
        axis.set(title=title, xlabel=x_label, ylabel="tokens per second", xscale="log", yscale="log")
        axis.grid(True, which="both", alpha=0.2)
        axis.legend(fontsize=8)

    base = found["devices"][0]
    lines(axes[0][0], found["model size"], lambda r: r["params"] / 1e9, "Model size (prompt of 256, answer of 32)",
          "billions of parameters")
    lines(axes[0][1], found["prompt length"], lambda r: r["tokens"], "Prompt length", "tokens of the prompt")

    def bars(axis, rows, title):
        for offset, test, colour in ((-0.2, "pp", "tab:blue"), (0.2, "tg", "tab:orange")):
            own = [r for r in rows if r["test"].startswith(test)]
            places = [i + offset for i in range(len(own))]
            axis.bar(places, [r["rate"] for r in own], 0.4, color=colour, label="prefill" if test == "pp" else "decode")
            for place, row in zip(places, own):
                if row["roofline"]:
                    axis.hlines(row["roofline"], place - 0.2, place + 0.2, colors="black", linestyles="dashed")
        names = list(dict.fromkeys(r["what"] for r in rows))
        axis.set(title=title, ylabel="tokens per second", yscale="log", xticks=range(len(names)), xticklabels=names)
        axis.tick_params(axis="x", labelsize=8)
        axis.legend(fontsize=8)

    bars(axes[1][0], found["threads"], "Threads (dashes: roofline)")
    bars(axes[1][1], found["devices"], "Devices (dashes: roofline of both)")
    figure.suptitle(f"hetero-infer, {base['params'] / 1e9:.1f}B shape unless said, 4-bit weights")
    figure.savefig(path, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, required=True, help="folder for the models that are drawn")
    parser.add_argument("--bin", type=Path, default=timing.ROOT / "build/release/bin", help="folder of the programs")
    parser.add_argument("--db", help="of hetero-tune, with a plan for --devices")
    parser.add_argument("--devices", default="cpu:0,opencl:0@1")
    parser.add_argument("--shapes", default=SHAPES)
    parser.add_argument("--base", default="llama-3.2-1b")
    parser.add_argument("--longest", type=int, default=PROMPTS[-1], help="prompt")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="file for the Markdown (default: stdout)")
    parser.add_argument("--picture", type=Path, help="SVG")
    parser.add_argument("--keep", type=Path, help="file for the figures (JSON); where it is there, nothing is measured")
    args = parser.parse_args()
    if args.rounds < 1:
        parser.error("rounds is at least 1")
    args.model = model_file(args, args.base)
    args.cores = int(subprocess.run(["nproc"], capture_output=True, text=True, check=True).stdout)
    args.cpu = "cpu:" + (f"0-{args.cores - 1}" if args.cores > 1 else "0")
    args.prompts = [p for p in PROMPTS if p <= args.longest]
    if args.keep and args.keep.exists():
        found = json.loads(args.keep.read_text(encoding="utf-8"))
    else:
        found = collected(args)
        if args.keep:
            args.keep.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if args.picture:
        draw(found, args.picture)
    timing.write(args, document(args, found))


if __name__ == "__main__":
    main()
