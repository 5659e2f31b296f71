#!/usr/bin/env python3
"""Does tuning say the same twice, and is it honest on a busy machine?

  scripts/check_tuning.py MODEL.gguf [--devices cpu:0,opencl:0@1] [--budget 60s] [--bench pp256,tg64] [--rounds 9]
                          [--load-core 0] [--out FILE.md]

Tunes three times, each into a database of its own: twice on the machine as it is, and once while a foreign process loads
--load-core for half of the run. Prints, for the second and the third against the first: for how many blocks (of all
prompt lengths) the strategy and the set of devices are the same, how far the predictions of the same bucket are apart,
how many samples were marked as not trustworthy, and how much slower the plan is when both take turns. The outcome of the
third should be "busy": it says itself that it could not be trusted. Machines on which
other things run say the same less often: the second run tells how often. Exit codes: 0 done, 2 usage, 3 something is
missing.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import plan_timing as timing

RUNS = ("first", "second", "loaded")


def seconds_of(budget):
    number = float(budget.rstrip("smh"))
    return number * {"m": 60, "h": 3600}.get(budget[-1], 1)


def busy_process(core):
    """Arithmetic and reads beyond the caches, on that core."""
    program = "a = bytearray(1 << 28)\nwhile True:\n    sum(range(100000)); a[::64] = a[::64]\n"
    return subprocess.Popen([sys.executable, "-c", program], preexec_fn=lambda: os.sched_setaffinity(0, {core}))


def tuned(args, name, folder):
    """{plan, file, quality}."""
    database = folder / f"{name}.db"
    tune = [args.bin / "hetero-tune", "run", "-q", "-m", args.model, "--devices", args.devices, "--budget", args.budget,
            "--db", database]
    foreign = None
    process = subprocess.Popen([str(part) for part in tune], stdout=subprocess.DEVNULL)
    try:
        if name == "loaded":
            time.sleep(seconds_of(args.budget) / 4)
            foreign = busy_process(args.load_core)
            time.sleep(seconds_of(args.budget) / 2)
    finally:
        if foreign:
            foreign.kill()
            foreign.wait()
        code = process.wait()
    if code != 0:
        timing.fail(f"hetero-tune run ended with {code}")
    show = [args.bin / "hetero-tune", "show", "--quality", "--json", "--db", database]
    plan = timing.exported_plan(args, database)
    file = folder / f"{name}.json"
    file.write_text(json.dumps(plan), encoding="utf-8")
    return {"plan": plan, "file": file, "quality": json.loads(timing.run(show))}


def choices(plan):
    """By phase, tokens and block: strategy and devices."""
    found = {}
    for bucket in plan["buckets"]:
        for block in bucket["blocks"]:
            devices = {s["device"] for s in (block.get("features") or []) + (block.get("rows") or [])}
            found[(bucket["phase"], bucket["tokens"], block["block"])] = (block["strategy"], frozenset(devices))
    return found


def predictions(plan):
    return {(b["phase"], b["tokens"]): b["predicted_ns"] for b in plan["buckets"] if b.get("predicted_ns", 0) > 0}


def untrusted(quality):
    rows = quality["trust"]
    taken = sum(r["samples"] for r in rows)
    return f"{100 * sum(r['untrusted'] for r in rows) / taken:.1f} %" if taken else "-"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    timing.flags(parser)
    parser.set_defaults(rounds=9)
    parser.add_argument("--budget", default="60s", help="of each run, as of hetero-tune run")
    parser.add_argument("--load-core", type=int, default=0)
    args = parser.parse_args()
    if args.rounds < 1:
        parser.error("rounds is at least 1")
    with tempfile.TemporaryDirectory(prefix="hetero-check-") as name:
        runs = {run: tuned(args, run, Path(name)) for run in RUNS}
        tests = args.bench.split(",")
        times = {t: timing.take_turns(args, t, {run: runs[run]["file"] for run in RUNS}, args.rounds) for t in tests}
    first = runs["first"]["plan"]
    rows = []
    for run in RUNS:
        plan = runs[run]["plan"]
        own, reference = choices(plan), choices(first)
        other = [" ".join(str(k) for k in key) for key, value in reference.items() if own.get(key) != value]
        same = 1 - len(other) / len(reference)
        if other:
            print(f"{run}: decided otherwise than the first: {', '.join(other)}", file=sys.stderr)
        apart = [abs(ns / predictions(first)[key] - 1) for key, ns in predictions(plan).items() if key in predictions(first)]
        slower = [timing.ratio(times[t], run, "first") for t in tests]
        rows.append([run, runs[run]["quality"]["run"]["outcome"], f"{100 * same:.0f} %",
                     f"{100 * statistics.median(apart):.1f} %, {100 * max(apart):.1f} %" if apart else "-",
                     untrusted(runs[run]["quality"]),
                     *("-" if run == "first" else timing.percent(s[0] - 1, s[1]) for s in slower)])
    header = ["run", "outcome", "same choice as the first", "predictions apart: half, most", "samples not trusted",
              *(f"{t}: slower than the first" for t in tests)]
    timing.write(args, timing.machine(args) + "\n\n" + timing.table(header, rows))


if __name__ == "__main__":
    main()
