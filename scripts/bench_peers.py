#!/usr/bin/env python3
"""Times hetero-infer and llama.cpp on the same model file, taking turns, and writes rows that hetero-report compares.

  python3 -m venv venv && venv/bin/pip install llama-cpp-python        (builds natively: minutes)
  venv/bin/python scripts/bench_peers.py MODEL.gguf [--infer build/release/bin/hetero-infer] [--devices cpu]
                  [--threads N] [--bench pp64,tg32] [--rounds 10] [--out PREFIX]

ppN is a prompt of N random tokens into an empty cache, tgN is N tokens one by one, as hetero-infer --bench does it.
A round is a fresh process of each engine with one repetition after a warm-up; who is first alternates, and the first
round does not count. --threads is llama.cpp's number of threads: give as many as --devices has cores. llama.cpp runs on
the processor as its package was built; its version stands in its rows.

PREFIX-hetero.json and PREFIX-llama.json have the form of hetero-infer --bench --json, under one name a test, so that

  hetero-report compare PREFIX-llama.json PREFIX-hetero.json

tells whether they differ. Opt-in; no part of ctest. Not here: MNN and OpenVINO GenAI, and rates as parts of the
machine's limits. Exit codes: 0 done, 2 usage, 3 something is missing.
"""
import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def environment_failure(message):
    print(f"bench_peers.py: {message}", file=sys.stderr)
    sys.exit(3)


def parse_tests(text):
    tests = []
    for name in text.split(","):
        if not re.fullmatch(r"(pp|tg)[1-9][0-9]{0,5}", name):
            raise argparse.ArgumentTypeError(f"'{name}' is not a test; write ppN or tgN, for example pp64,tg32")
        tests.append((name, int(name[2:])))
    return tests


def run_llama(model, tests, threads):
    """In a process of its own: rates by test, the peak memory and the version, as JSON on stdout."""
    import llama_cpp
    longest = max(count for _, count in tests)
    llama = llama_cpp.Llama(str(model), n_ctx=longest + 8, n_batch=max(512, longest), n_threads=threads,
                            n_threads_batch=threads, logits_all=False, verbose=False)
    tokens = [(7919 * i + 11) % llama.n_vocab() for i in range(longest)]
    rates = {}
    for name, count in tests:
        for warm in (True, False):
            llama.reset()
            start = time.perf_counter()
            if name.startswith("pp"):
                llama.eval(tokens[:count])
            else:
                for token in tokens[:count]:
                    llama.eval([token])
            if not warm:
                rates[name] = count / (time.perf_counter() - start)
    print(json.dumps({"rates": rates, "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                      "version": f"llama-cpp-python {llama_cpp.__version__}"}))


def llama_round(args):
    command = [sys.executable, __file__, str(args.model), "--llama-worker", "--threads", str(args.threads), "--bench",
               ",".join(name for name, _ in args.bench)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        environment_failure("llama.cpp failed: " + (done.stderr.strip().splitlines() or ["no message"])[-1])
    return json.loads(done.stdout.strip().splitlines()[-1])


def hetero_round(args):
    command = [str(args.infer), "-q", "-m", str(args.model), "--devices", args.devices, "--plan", args.plan, "--bench",
               ",".join(name for name, _ in args.bench), "-r", "1", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        environment_failure("hetero-infer failed: " + (done.stderr.strip().splitlines() or ["no message"])[-1])
    return json.loads(done.stdout)


def spread(samples):
    middle = statistics.median(samples)
    return middle, statistics.median(abs(s - middle) for s in samples)


def row(test, engine, samples, like, **more):
    median, mad = spread(samples)
    # One name a test for both engines: hetero-report pairs rows by test, devices and plan.
    return {"test": test, "devices": ["this machine"], "plan": "peers", "engine": engine, "emulated": like["emulated"],
            "tok_per_s": {"median": median, "mad": mad, "samples": samples}, "model": like["model"],
            "environment": like["environment"], **more}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--infer", type=Path, default=ROOT / "build/release/bin/hetero-infer")
    parser.add_argument("--devices", default="cpu", help="of hetero-infer")
    parser.add_argument("--plan", default="none", help="of hetero-infer: none, auto or a file")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of llama.cpp")
    parser.add_argument("--bench", type=parse_tests, default=parse_tests("pp64,tg32"))
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--out", default="build/peers", help="prefix of the two files")
    parser.add_argument("--llama-worker", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not args.model.is_file():
        environment_failure(f"there is no model {args.model}; scripts/fetch_model.sh gets one")
    try:
        import llama_cpp  # noqa: F401
    except ImportError as error:
        environment_failure(f"{error}; pip install llama-cpp-python into a venv and run this with its python")
    if args.llama_worker:
        return run_llama(args.model, args.bench, args.threads)
    if not args.infer.is_file():
        environment_failure(f"there is no {args.infer}; build first (scripts/build.sh release) or name it with --infer")
    if args.rounds < 2:
        parser.error("--rounds must be at least 2")

    ours = {name: [] for name, _ in args.bench}
    theirs = {name: [] for name, _ in args.bench}
    for number in range(args.rounds + 1):
        print(f"round {number} of {args.rounds}{', warming up' if number == 0 else ''}", file=sys.stderr)
        order = [hetero_round, llama_round] if number % 2 == 0 else [llama_round, hetero_round]
        results = {take: take(args) for take in order}
        hetero, llama = results[hetero_round], results[llama_round]
        if number == 0:
            continue
        for entry in hetero:
            ours[entry["test"]] += entry["tok_per_s"]["samples"]
        for name, rate in llama["rates"].items():
            theirs[name].append(rate)

    like = hetero[0]
    files = {"hetero": [row(name, "hetero-infer", ours[name], like, command_devices=args.devices,
                            peak_rss_bytes=like["peak_rss_bytes"]) for name in ours],
             "llama": [row(name, llama["version"], theirs[name], like, threads=args.threads,
                           peak_rss_bytes=llama["peak_rss_bytes"]) for name in theirs]}
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    print(f"{'test':<8} {'engine':<28} {'tok/s':>10} {'+- MAD':>8} {'peak memory':>12}")
    for engine, rows in files.items():
        Path(f"{args.out}-{engine}.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    for name, _ in args.bench:
        for rows in files.values():
            for r in rows:
                if r["test"] == name:
                    emulated = "  (emulated)" if r["emulated"] and r["engine"] == "hetero-infer" else ""
                    print(f"{name:<8} {r['engine']:<28} {r['tok_per_s']['median']:>10.1f} {r['tok_per_s']['mad']:>8.1f} "
                          f"{r['peak_rss_bytes'] / 2**20:>8.0f} MiB{emulated}")
    print(f"hetero-report compare {args.out}-llama.json {args.out}-hetero.json", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
