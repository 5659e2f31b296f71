#!/usr/bin/env python3
"""Asks the simulator what HeteroInfer's paper does not: other join costs, a third device, less memory, other graph sizes.

  scripts/beyond_paper.py [--tune build/release/bin/hetero-tune] [--out reports/published/beyond.md] [--check]

Everything is simulated on the profile snapdragon-8-gen-3 or a copy of it with one figure changed. --check writes nothing
and fails when the file would change. Exit codes: 0 done, 1 it would change, 2 usage, 3 the simulator failed.
"""
import argparse
import copy
import functools
import itertools
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROFILE = "snapdragon-8-gen-3"
GPU_NPU = ("--devices", "gpu,npu")
GIB = 2.0**30
# Prompt lengths that count alike: short questions, chats, a page, a long document.
LENGTHS = (20, 45, 90, 140, 200, 270, 350, 480, 600, 900)
SIZES = (32, 64, 128, 192, 256, 384, 512, 768, 1024)


class Simulator:
    def __init__(self, tune, folder):
        self.tune, self.folder = tune, pathlib.Path(folder)
        self.base = json.loads((ROOT / "profiles" / "devices" / f"{PROFILE}.json").read_text(encoding="utf-8"))

    def changed(self, name, change):
        """A copy of the profile after change(devices by short name)."""
        document = copy.deepcopy(self.base)
        change({device["device"].split("/")[-1]: device for device in document["devices"]})
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        return str(path)

    @functools.cache
    def run(self, profile, model, prompt, generate, flags):
        command = [self.tune, "simulate", "--profile", profile, "--shape", model, "--prompt", str(prompt), "--generate",
                   str(generate), "--json", *flags]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            print(f"beyond_paper.py: {' '.join(command)}: {done.stderr.strip()}", file=sys.stderr)
            sys.exit(3)
        return json.loads(done.stdout)

    def rates(self, profile, model, flags):
        result = self.run(profile, model, 256, 8, flags)
        return result["prefill"]["tok_per_s"], result["decode"]["tok_per_s"]


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "| " + " | ".join("---" for _ in header) + " |"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def paired(simulator):
    rows = []
    for model, join_us in itertools.product(("llama-3-8b", "llama-3.2-1b"), (10, 100, 400)):
        def joins(devices, ns=join_us * 1000):
            for device in devices.values():
                device["join_ns"] = {name: dict(figure, value=ns) for name, figure in device["join_ns"].items()}
        profile = simulator.changed(f"joins-{join_us}", joins)
        without = simulator.rates(profile, model, GPU_NPU + ("--strategy", "tensor"))
        with_it = simulator.rates(profile, model, GPU_NPU)
        rows.append([model, f"{join_us} us"] + [f"{rate:.1f}" for rate in (without[0], with_it[0])] +
                    [f"{without[1]:.2f}", f"{with_it[1]:.2f}", f"{100 * (with_it[1] / without[1] - 1):+.1f} %"])
    return table(["model", "a join", "prefill 256 without", "with", "decode without", "with", "decode gains"], rows)


def third_device(simulator):
    rows = []
    for model in ("llama-3-8b", "llama-3.2-1b", "qwen2.5-1.5b"):
        two = simulator.rates(PROFILE, model, GPU_NPU)
        three = simulator.rates(PROFILE, model, ("--devices", "gpu,npu,cpu"))
        rows.append([model, f"{two[0]:.1f}", f"{three[0]:.1f}", f"{100 * (three[0] / two[0] - 1):+.1f} %",
                     f"{two[1]:.2f}", f"{three[1]:.2f}", f"{100 * (three[1] / two[1] - 1):+.1f} %"])
    return table(["model", "prefill 256, gpu+npu", "and cpu", "gains", "decode, gpu+npu", "and cpu", "gains"], rows)


def memory(simulator):
    rows = []
    for gib in (None, 4, 2, 1, 0.5, 0.25):
        def limit(devices, gib=gib):
            devices["npu"]["memory_bytes"] = 0 if gib is None else int(gib * GIB)
        profile = simulator.changed(f"npu-{gib}", limit)
        prefill, decode = simulator.rates(profile, "llama-3-8b", GPU_NPU)
        rows.append(["unlimited" if gib is None else f"{gib:g} GiB", f"{prefill:.1f}", f"{decode:.2f}"])
    return table(["the NPU may hold", "prefill 256", "decode"], rows)


def mean_ttft(simulator, sizes):
    """Milliseconds, over LENGTHS; and what compiling the graphs takes before the first prompt."""
    flags = GPU_NPU + ("--graphs", ",".join(map(str, sizes)))
    runs = [simulator.run(PROFILE, "llama-3-8b", length, 1, flags) for length in LENGTHS]
    return sum(run["prefill"]["ttft_ms"] for run in runs) / len(runs)


def graph_sizes(simulator):
    """The best sets of each number of sizes, grown one by one from the best single size."""
    rows, chosen = [], ()
    for count in range(1, 7):
        candidates = [tuple(sorted(chosen + (size,))) for size in SIZES if size not in chosen]
        times = {candidate: mean_ttft(simulator, candidate) for candidate in candidates}
        chosen = min(times, key=times.get)
        rows.append([str(count), ", ".join(map(str, chosen)), f"{times[chosen]:.0f} ms"])
    usual = (32, 64, 128, 256, 512, 1024)
    rows.append(["6", ", ".join(map(str, usual)) + " (the profile's)", f"{mean_ttft(simulator, usual):.0f} ms"])
    return table(["graph sizes", "best set", "mean time to first token"], rows)


def document(simulator):
    return f"""# Beyond the paper, simulated

`hetero-tune simulate` on the profile `{PROFILE}` (figures of arXiv 2501.14794v2) and copies of it with one figure
changed; written by `scripts/beyond_paper.py`. Nothing here was measured. Models as their shapes under `profiles/models`.
Rates in tokens per second.

## What `paired` saves when joins are dear

`paired` divides two matmuls in a row so that nothing is exchanged between them: the first by output features, the second
by input features, and the partial sums are added. It saves one of two joins and costs an addition. "Without" has the
paper's five strategies. Launches stay at 15 us. Every plan was the fastest of the solver's proposals on the virtual timeline,
so "with" is never behind; a slice of FFN-down by input features is taken to be as slow for its size as the whole.

{paired(simulator)}
## What the CPU adds as a third device

The CPU of this profile is coarse: its rate follows from one engine that runs on it.

{third_device(simulator)}
## What a limit on the NPU's memory costs

Llama-3-8B has 4.3 GiB of weights in this form; weights that two phases divide differently are held as often as they
differ. Under a limit the solver divides by features only, with one share for all blocks or for the feed-forward ones.

{memory(simulator)}
## Which graph sizes are best

Llama-3-8B on GPU and NPU, prompts of {", ".join(map(str, LENGTHS))} tokens alike often; the solver may divide, pad or leave
the remainder to the GPU, and may leave sizes unused: by table 3, two graphs of 128 rows take less than one of 256, and one
of 128 less than 64 and 32. Sizes are added one at a time, so larger sets are good, not proven best. A graph for one row
(decode) is always there.

{graph_sizes(simulator)}
## What would have to be measured on a real phone to believe this

- The join as this runtime does it (a flag in shared memory, polled), on both devices and from one to the other: the paper
  publishes the driver's 400 us and that polling is fast, no more.
- Launches ahead of time: whether a GPU kernel can be queued behind an NPU graph without the host in between.
- Bandwidth of GPU, NPU and CPU alone and together, in decode: the third device gains only what the memory still gives, and
  the profile's slow-downs of all three are derived, not published.
- Matmul rates of the CPU at 1 and at 256 rows while the other two work, and what heat does to all three after a minute.
- The NPU's memory that is really free for weights, and whether graphs for several sizes share theirs.
- Compile time of each graph size, which bounds how many of them are worth having.
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tune", default=str(ROOT / "build" / "release" / "bin" / "hetero-tune"))
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "reports" / "published" / "beyond.md")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    if not pathlib.Path(arguments.tune).is_file():
        print(f"beyond_paper.py: there is no {arguments.tune}; scripts/build.sh release makes it", file=sys.stderr)
        return 3
    with tempfile.TemporaryDirectory() as folder:
        text = document(Simulator(arguments.tune, folder))
    if arguments.check:
        same = arguments.out.is_file() and arguments.out.read_text(encoding="utf-8") == text
        print("beyond.md: " + ("as it is written" if same else "would change: scripts/beyond_paper.py"))
        return 0 if same else 1
    arguments.out.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
