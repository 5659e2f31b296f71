#!/usr/bin/env python3
"""Is the tuned plan as good as any? Sweeps shares by brute force and times the best of them against the plan.

  scripts/sweep_regret.py MODEL.gguf [--db FILE] [--devices cpu:0,opencl:0@1] [--bench pp256,tg64] [--steps 16]
                          [--rounds 15] [--finals 3] [--units ffn_in,head,...] [--out FILE.md]

Swept between the first two devices of the list, in steps of 1/--steps, everything else as in the plan: each of the five
blocks that hold the matmuls (blocks that the plan pairs are swept as a pair), and the whole model at once. Prompts are
swept by features (rows) and by prompt rows (sequence), decode by features.

Candidates take turns with the plan, a few at a time, in one process; what counts is their time over the plan's, round
by round. The best --finals of each unit then take turns with the plan for --rounds rounds, since the best of many noisy
timings is mostly lucky. Regret: how much slower the plan is than the best of them. The plan comes from the database (hetero-tune run makes it). Exit codes: 0 done, 2 usage, 3 something is missing.
"""
import argparse
import copy
import json
import sys
import tempfile
from pathlib import Path

import plan_timing as timing

BLOCKS = ("attention_in", "attention_out", "ffn_in", "ffn_out", "head")
ALL_BLOCKS = ("attention_in", "attention", "attention_out", "ffn_in", "ffn_out", "head")
AT_ONCE = 8  # candidates in one process: each keeps weights of its own
SWEEP_ROUNDS = 3
PAIRS = (("attention_in", "attention", "attention_out"), ("ffn_in", "ffn_out"))


def phase_of(test):
    return "prefill" if test.startswith("pp") else "decode"


def bucket_of(plan, test):
    """The one that the test runs under: the nearest length by ratio, as near as a script has to know."""
    tokens = int(test[2:])
    own = [b for b in plan["buckets"] if b["phase"] == phase_of(test)]
    return min(own, key=lambda b: max(b["tokens"], tokens) / min(b["tokens"], tokens))


def shares(devices, fraction):
    """[{device, fraction}, ...] without those that have nothing."""
    parts = [(devices[0], fraction), (devices[1], 1 - fraction)]
    return [{"device": d, "fraction": f} for d, f in parts if f > 0]


def divided(block, strategy, devices, fraction):
    parts = shares(devices, fraction)
    entry = {"block": block, "strategy": strategy, "features": parts}
    if len(parts) == 1:
        entry["strategy"] = "single"
    elif strategy == "sequence":
        entry = {"block": block, "strategy": strategy, "rows": parts}
    return entry


def with_blocks(plan, test, names, strategy, devices, fraction):
    """The plan with some blocks of the test's phase divided anew."""
    changed = copy.deepcopy(plan)
    changed["devices"] = devices + [d for d in plan["devices"] if d not in devices]
    bucket = bucket_of(changed, test)
    entries = [b for b in bucket["blocks"] if b["block"] not in names]
    bucket["blocks"] = entries + [divided(name, strategy, devices, fraction) for name in names]
    bucket.pop("verdict", None)
    # Every length of the phase: nothing else may be chosen for the test.
    others = [b for b in changed["buckets"] if b["phase"] != phase_of(test)]
    changed["buckets"] = sorted(others + [bucket], key=lambda b: b["tokens"])
    return changed


def units_of(plan, test, wanted):
    """Name, blocks, strategies."""
    strategy_of = {b["block"]: b["strategy"] for b in bucket_of(plan, test)["blocks"] if b.get("layer", -1) < 0}
    by_features_only = phase_of(test) == "decode"
    units = []
    for pair in PAIRS:
        if strategy_of.get(pair[0]) == "paired":
            units.append(("+".join(pair), pair, ("paired",)))
    paired = {name for unit in units for name in unit[1]}
    for block in BLOCKS:
        if block not in paired:
            # One row of logits is computed, whatever the prompt.
            units.append((block, (block,), ("rows",) if by_features_only or block == "head" else ("rows", "sequence")))
    units.append(("whole model", ALL_BLOCKS, ("rows",) if by_features_only else ("rows", "sequence")))
    return [u for u in units if not wanted or any(name in wanted for name in (u[0], *u[1][:1]))]


def words(plan, test, name):
    for block in bucket_of(plan, test)["blocks"]:
        if block["block"] == name and block.get("layer", -1) < 0:
            parts = block.get("rows") or block.get("features") or []
            return block["strategy"] + " " + " + ".join(f"{p['device']} {100 * p['fraction']:.0f} %" for p in parts)
    return "-"


def candidates_of(args, plan, test, unit, folder):
    """Files by name."""
    devices = args.devices.split(",")[:2]
    name, blocks, strategies = unit
    files = {}
    for strategy in strategies:
        for step in range(0 if strategy == strategies[0] else 1, args.steps + (strategy == strategies[0])):
            fraction = step / args.steps
            use = {b: "rows" if strategy == "sequence" and b == "head" else strategy for b in blocks}
            candidate = plan
            for block in blocks if strategy != "paired" else ():
                candidate = with_blocks(candidate, test, (block,), use[block], devices, fraction)
            if strategy == "paired":
                candidate = with_blocks(plan, test, blocks, strategy, devices, fraction)
            path = folder / f"{test}-{name.replace(' ', '-')}-{strategy}-{step}.json"
            path.write_text(json.dumps(candidate), encoding="utf-8")
            label = f"{strategy} {devices[0]} {100 * fraction:.0f} %" if 0 < step < args.steps else \
                f"{devices[0 if step else 1]} alone"
            files[label] = path
    return files


def sweep(args, test, candidates, plan_file):
    """Names of the candidates, fastest first."""
    names = list(candidates)
    ratios = {}
    for begin in range(0, len(names), AT_ONCE):
        batch = {name: candidates[name] for name in names[begin:begin + AT_ONCE]}
        times = timing.take_turns(args, test, {"plan": plan_file, **batch}, SWEEP_ROUNDS)
        ratios |= {name: timing.ratio(times, name, "plan")[0] for name in batch}
        print(f"{test}: {len(ratios)} of {len(names)} candidates", file=sys.stderr)
    return sorted(names, key=ratios.get)


def row_of(args, plan, test, unit, plan_file, folder):
    candidates = candidates_of(args, plan, test, unit, folder)
    finalists = {name: candidates[name] for name in sweep(args, test, candidates, plan_file)[:args.finals]}
    times = timing.take_turns(args, test, {"plan": plan_file, **finalists}, args.rounds)
    best = min(finalists, key=lambda label: timing.ratio(times, label, "plan")[0])
    middle, spread = timing.ratio(times, "plan", best)
    own = words(plan, test, unit[1][0]) if unit[0] != "whole model" else "each block its own"
    return [test, unit[0], len(candidates), own, best, timing.percent(middle - 1, spread)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    timing.flags(parser)
    parser.add_argument("--db", help="of hetero-tune")
    parser.add_argument("--steps", type=int, default=16)
    parser.set_defaults(rounds=15)
    parser.add_argument("--finals", type=int, default=3)
    parser.add_argument("--units", help="only these blocks, or 'whole model'; separated by commas")
    args = parser.parse_args()
    if args.rounds < 1 or args.steps < 1 or args.finals < 1 or len(args.devices.split(",")) < 2:
        parser.error("rounds, steps and finals are at least 1, and two devices are needed")
    plan = timing.exported_plan(args, args.db)
    rows = []
    with tempfile.TemporaryDirectory(prefix="hetero-sweep-") as name:
        folder = Path(name)
        plan_file = folder / "plan.json"
        plan_file.write_text(json.dumps(plan), encoding="utf-8")
        for test in args.bench.split(","):
            for unit in units_of(plan, test, args.units.split(",") if args.units else []):
                rows.append(row_of(args, plan, test, unit, plan_file, folder))
    header = ["test", "swept", "candidates", "the plan has", "best of the sweep", "regret of the plan"]
    timing.write(args, timing.machine(args) + "\n\n" + timing.table(header, rows))


if __name__ == "__main__":
    main()
