#!/usr/bin/env python3
"""How good is the plan that a budget buys? Tunes anew with each budget and times the plans against each other.

  scripts/budget_curve.py MODEL.gguf [--devices cpu:0,opencl:0@1] [--budgets 10s,30s,60s,300s,900s] [--repeats 1]
                          [--bench pp256,tg64] [--rounds 5] [--out FILE.md]

Every budget has a database of its own, so nothing is known beforehand; with --repeats N it is tuned N times. The plans
and each device alone then take turns for --rounds rounds. Regret: how much slower a plan is than that of the last
budget, which should be one that everything can be measured in. Exit codes: 0 done, 2 usage, 3 something is missing.
"""
import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import plan_timing as timing


def tuned(args, budget, database):
    """The plan, what tuning took, how many samples, how many buckets are divided."""
    tune = args.bin / "hetero-tune"
    begin = time.monotonic()
    timing.run([tune, "run", "-q", "-m", args.model, "--devices", args.devices, "--budget", budget, "--db", database])
    seconds = time.monotonic() - begin
    plan = timing.exported_plan(args, database)
    samples = json.loads(timing.run([tune, "show", "--json", "--db", database]))["samples"]
    adopted = sum(1 for b in plan["buckets"] if (b.get("verdict") or {}).get("adopted"))
    return {"plan": plan, "seconds": seconds, "samples": samples, "adopted": f"{adopted} of {len(plan['buckets'])}"}


def alone(device, like):
    """The plan's document with every block on one device."""
    plan = dict(like, devices=[device], origin="single", buckets=[])
    for bucket in like["buckets"]:
        blocks = [{"block": name, "strategy": "single", "features": [{"device": device, "fraction": 1.0}]}
                  for name in dict.fromkeys(b["block"] for b in bucket["blocks"])]
        plan["buckets"].append({"phase": bucket["phase"], "tokens": bucket["tokens"], "blocks": blocks})
    return plan


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    timing.flags(parser)
    parser.add_argument("--budgets", default="10s,30s,60s,300s,900s", help="the last one stands for no limit")
    parser.add_argument("--repeats", type=int, default=1)
    args = parser.parse_args()
    budgets = args.budgets.split(",")
    if args.rounds < 1 or args.repeats < 1:
        parser.error("rounds and repeats are at least 1")
    with tempfile.TemporaryDirectory(prefix="hetero-budget-") as name:
        folder = Path(name)
        results, plans = {}, {}
        for repeat in range(args.repeats):
            for budget in budgets:
                print(f"tuning with {budget}, {repeat + 1} of {args.repeats}", file=sys.stderr)
                key = f"{budget}/{repeat}"
                results[key] = tuned(args, budget, folder / f"{budget}-{repeat}.db")
                plans[key] = folder / f"{budget}-{repeat}.json"
                plans[key].write_text(json.dumps(results[key]["plan"]), encoding="utf-8")
        reference = f"{budgets[-1]}/0"
        for device in args.devices.split(","):
            plans[device] = folder / f"{device.replace(':', '-')}.json"
            plans[device].write_text(json.dumps(alone(device, results[reference]["plan"])), encoding="utf-8")
        tests = args.bench.split(",")
        times = {test: timing.take_turns(args, test, plans, args.rounds) for test in tests}
    rows = []
    for budget in budgets:
        own = [key for key in results if key.startswith(budget + "/")]
        cells = []
        for test in tests:
            ratios = [timing.ratio(times[test], key, reference) for key in own]
            worst = max(ratios)
            cells.append("0 (reference)" if own == [reference] else timing.percent(worst[0] - 1, worst[1]))
        rows.append([budget, f"{statistics.median(results[k]['seconds'] for k in own):.0f} s",
                     f"{statistics.median(results[k]['samples'] for k in own):.0f}",
                     ", ".join(results[k]["adopted"] for k in own), *cells])
    for device in args.devices.split(","):
        cells = [timing.ratio(times[test], device, reference) for test in tests]
        rows.append([f"{device} alone", "-", "-", "-", *(timing.percent(c[0] - 1, c[1]) for c in cells)])
    header = ["budget", "took", "samples", "buckets divided", *(f"{test}: regret" for test in tests)]
    note = "" if args.repeats == 1 else f"; the worst of {args.repeats} tunings each"
    timing.write(args, timing.machine(args) + note + "\n\n" + timing.table(header, rows))


if __name__ == "__main__":
    main()
