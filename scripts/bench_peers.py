#!/usr/bin/env python3
"""Times hetero-infer and other engines on the same model file, taking turns, and writes rows that hetero-report shows.

  scripts/setup_peers.sh                                               the other engines, once
  scripts/bench_peers.py MODEL.gguf [--engines hetero,llama,mnn,openvino] [--devices cpu] [--plan none] [--threads N]
                         [--bench pp64,tg32] [--rounds 10] [--out PREFIX]

ppN is a prompt of N random tokens into an empty cache, tgN is N tokens one by one, as hetero-infer --bench does it.
A round is a fresh process of each engine with one repetition after a warm-up; the order rotates, and the first round does
not count. --threads is that of the other engines: give as many as --devices has cores. What the machine can do at most is
measured in every round too (hetero-bench --limits). An engine that is not here or cannot run the model is left out with
a line that says why; hetero-infer always runs, since its rows say of the model and the machine what the others need.

All engines get the GGUF file; MNN cannot read it and gets a model made of it (peers/mnn_model.py says how). What each row
was measured with stands in it: version, threads, how its weights came about.

PREFIX.json has all rows, for hetero-report html --bench; PREFIX-ENGINE.json those of one, in the form of hetero-infer
--bench --json and under one name a test, so that

  hetero-report compare PREFIX-llama.json PREFIX-hetero.json

tells whether they differ. Opt-in; no part of ctest. Exit codes: 0 done, 2 usage, 3 something is missing.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".deps/peers/bin/python"

sys.path.insert(0, str(ROOT / "scripts"))
from peers.engine import Task, peak_rss_bytes  # noqa: E402
from peers.hetero import Hetero  # noqa: E402
from peers.llama import Llama  # noqa: E402
from peers.mnn import Mnn  # noqa: E402
from peers.openvino import OpenVino  # noqa: E402

OTHERS = {engine.name: engine for engine in (Llama(), Mnn(), OpenVino())}


def say(message):
    print(f"bench_peers.py: {message}", file=sys.stderr)


def environment_failure(message):
    say(message)
    sys.exit(3)


def parse_tests(text):
    tests = []
    for name in text.split(","):
        if not re.fullmatch(r"(pp|tg)[1-9][0-9]{0,5}", name):
            raise argparse.ArgumentTypeError(f"'{name}' is not a test; write ppN or tgN, for example pp64,tg32")
        tests.append((name, int(name[2:])))
    return tests


def parse_engines(text):
    names = text.split(",")
    for name in names:
        if name != Hetero.name and name not in OTHERS:
            raise argparse.ArgumentTypeError(f"'{name}' is not an engine; there are {Hetero.name}, {', '.join(OTHERS)}")
    return list(dict.fromkeys(names))


def work(name, task):
    """The process of a round: what was measured as one line of JSON, the last on stdout (engines talk there too)."""
    measured = OTHERS[name].measure(task)
    print(json.dumps(measured | {"peak_rss_bytes": peak_rss_bytes()}), flush=True)
    os._exit(0)  # some engines crash while they are taken down


def other_round(name, args):
    command = [sys.executable, __file__, *sys.argv[1:], "--worker", name]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0:
        raise RuntimeError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    return json.loads(done.stdout.strip().splitlines()[-1])


def hetero_round(engine, task):
    """Like other_round, with what its rows say of the model and the machine."""
    rows = engine.round(task)
    return {"rates": {row["test"]: row["tok_per_s"]["median"] for row in rows}, "version": "hetero-infer",
            "peak_rss_bytes": rows[0]["peak_rss_bytes"], "like": rows[0]}


def measured_limits(program, threads):
    """Bandwidth of all cores and arithmetic of as many as there are threads, by hetero-bench; None: it is not there."""
    if not program.is_file():
        return None
    done = subprocess.run([str(program), "--limits", "--json"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return None
    limits = json.loads(done.stdout)
    peak = max((limit for limit in limits if limit["unit"] == "Gop/s"), key=lambda limit: limit["value"])
    reads = [limit["value"] for limit in limits if limit["unit"] == "GB/s"]
    return {"read_gbps": reads[0] if threads == 1 else reads[-1], "gops": peak["value"] * threads,
            "arithmetic": f"{peak['name']}, times {threads}" if threads > 1 else peak["name"]}


def median_limits(rounds):
    if not rounds:
        return None
    return {"read_gbps": statistics.median(r["read_gbps"] for r in rounds),
            "gops": statistics.median(r["gops"] for r in rounds), "arithmetic": rounds[0]["arithmetic"]}


def spread(samples):
    middle = statistics.median(samples)
    return middle, statistics.median(abs(s - middle) for s in samples)


def row(test, samples, version, like, **more):
    median, mad = spread(samples)
    # One name a test for all engines: hetero-report pairs rows by test, devices and plan.
    return {"test": test, "devices": ["this machine"], "plan": "peers", "engine": version, "emulated": False,
            "tok_per_s": {"median": median, "mad": mad, "samples": samples}, "model": like["model"],
            "environment": like["environment"]} | {key: value for key, value in more.items() if value is not None}


def part_of_limit(entry):
    """Prefill's part of the arithmetic, decode's of the bandwidth, in per cent."""
    limits, rate = entry.get("limits"), entry["tok_per_s"]["median"]
    if not limits or entry["emulated"]:
        return None
    if entry["test"].startswith("pp"):
        operations = entry["model"].get("ops_per_token", 0)
        return 100 * rate * operations / 1e9 / limits["gops"] if operations else None
    return 100 * rate * entry["weights"]["bytes"] / 1e9 / limits["read_gbps"]


def print_table(rows, tests):
    print(f"{'test':<7} {'engine':<28} {'tok/s':>9} {'+- MAD':>8} {'first token':>12} {'peak memory':>12}  of the limit")
    for name, count in tests:
        for r in (r for r in rows if r["test"] == name):
            rate, part = r["tok_per_s"]["median"], part_of_limit(r)
            first = f"{1000 * count / rate:.1f} ms" if name.startswith("pp") else "-"
            limit = "-" if part is None else f"{part:.0f} % of " + ("arithmetic" if name.startswith("pp") else "bandwidth")
            print(f"{name:<7} {r['engine']:<28} {rate:>9.1f} {r['tok_per_s']['mad']:>8.1f} {first:>12} "
                  f"{r['peak_rss_bytes'] / 2**20:>8.0f} MiB  {limit}{'  (emulated)' if r['emulated'] else ''}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--engines", type=parse_engines, default=parse_engines(",".join([Hetero.name, *OTHERS])),
                        help=f"default: {','.join([Hetero.name, *OTHERS])}")
    parser.add_argument("--infer", type=Path, default=ROOT / "build/release/bin/hetero-infer")
    parser.add_argument("--devices", default="cpu", help="of hetero-infer")
    parser.add_argument("--plan", default="none", help="of hetero-infer: none, auto or a file")
    parser.add_argument("--db", default="", help="of hetero-infer, for --plan auto")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the other engines")
    parser.add_argument("--bench", type=parse_tests, default=parse_tests("pp64,tg32"))
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--out", default="build/peers", help="prefix of the files")
    parser.add_argument("--cache", type=Path, default=ROOT / "build/peers-models", help="models in other formats")
    parser.add_argument("--mnn-blocks", choices=("new", "file"), default="new",
                        help="int4 blocks of 64 as MNN's exporter makes them, or the file's own")
    parser.add_argument("--mnn-bits", type=int, choices=(4, 8), default=4, help="of the layers: 8 beside a Q8_0 file")
    parser.add_argument("--mnn-head-bits", type=int, choices=(4, 8), default=4, help="4 as MNN's exporter")
    parser.add_argument("--worker", choices=OTHERS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.rounds < 2:
        parser.error("--rounds must be at least 2")
    if args.threads < 1:
        parser.error("--threads must be at least 1")
    return args


def main():
    if VENV.is_file() and Path(sys.prefix).resolve() == Path(sys.base_prefix).resolve():  # of no venv: ours has them
        os.execv(VENV, [str(VENV), __file__, *sys.argv[1:]])
    args = arguments()
    if not args.model.is_file():
        environment_failure(f"there is no model {args.model}; scripts/fetch_model.sh gets one")
    task = Task(args.model, args.bench, args.threads, args.cache, {
        "devices": args.devices, "plan": args.plan, "db": args.db, "mnn_blocks": args.mnn_blocks,
        "mnn_bits": args.mnn_bits, "mnn_head_bits": args.mnn_head_bits})
    if args.worker:
        return work(args.worker, task)

    hetero = Hetero(args.infer)
    if problem := hetero.missing():
        environment_failure(problem)
    weights = {}
    if Hetero.name not in args.engines:
        args.engines.insert(0, Hetero.name)
    for name in args.engines:
        engine = hetero if name == Hetero.name else OTHERS[name]
        problem = engine.missing()
        if not problem:
            try:
                weights[name] = engine.prepare(task)
            except RuntimeError as error:
                problem = f"its model could not be made: {error}"
        if problem:
            say(f"{name} is left out: {problem}")

    if (load := os.getloadavg()[0]) > 0.5:
        say(f"the load average is {load:.1f}: what else runs here takes part in every figure")
    samples = {name: {test: [] for test, _ in args.bench} for name in weights}
    last, limits = {}, []
    for number in range(args.rounds + 1):
        print(f"round {number} of {args.rounds}{', warming up' if number == 0 else ''}", file=sys.stderr)
        names = list(weights)
        turn = number % len(names)
        limits_now = measured_limits(args.infer.parent / "hetero-bench", args.threads)
        for name in names[turn:] + names[:turn]:
            try:
                last[name] = hetero_round(hetero, task) if name == Hetero.name else other_round(name, args)
            except RuntimeError as error:
                if number > 0 or name == Hetero.name:
                    environment_failure(f"{name} failed: {error}")
                say(f"{name} is left out: {error}")
                del weights[name]
                continue
            if number > 0:
                for test, rate in last[name]["rates"].items():
                    samples[name][test].append(rate)
        if number > 0 and limits_now:
            limits.append(limits_now)
    if not limits:
        say(f"no parts of the machine's limits: there is no {args.infer.parent / 'hetero-bench'}")

    like = last[Hetero.name]["like"]
    files = {name: [row(test, samples[name][test], last[name]["version"], like, threads=args.threads,
                        peak_rss_bytes=last[name]["peak_rss_bytes"], weights=weights[name], limits=median_limits(limits))
                    for test, _ in args.bench] for name in weights}
    for entry in files[Hetero.name]:
        entry |= {"command_devices": args.devices, "command_plan": args.plan, "emulated": like["emulated"]}
    out = Path(args.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    rows = [entry for test, _ in args.bench for engine in files.values() for entry in engine if entry["test"] == test]
    for suffix, document in (("", rows), *((f"-{name}", entries) for name, entries in files.items())):
        Path(f"{args.out}{suffix}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print_table(rows, args.bench)
    if limits:
        middle = median_limits(limits)
        print(f"limits, median of {len(limits)} rounds: {middle['read_gbps']:.1f} GB/s read; {middle['gops']:.0f} Gop/s "
              f"({middle['arithmetic']})")
    for name, made in weights.items():
        print(f"{name}: weights {made['made']}, {made['bytes'] / 1e6:.0f} MB")
    say(f"hetero-report html --bench {args.out}.json; hetero-report compare {args.out}-ENGINE.json {args.out}-hetero.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
