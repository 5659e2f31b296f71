#!/usr/bin/env python3
"""Benchmarks several commits in one run, taking turns, and draws them with hetero-report history.

  scripts/bench_history.py COMMIT... [--bench pp64,tg32] [--devices cpu] [--rounds 10] [--model FILE] [--out FOLDER]
  scripts/bench_history.py $(git rev-list --reverse -n 5 HEAD)

Each commit is built in a worktree under build/. A round runs every commit once, the order turns from round to round,
and the first round does not count: what heat and neighbours do to the machine, they do to all. A process gives one
sample a benchmark. FOLDER (default build/history) gets commits/NN-COMMIT.json, which hetero-report history and compare
read, and history.html and history.json. Exit codes: 0 done, 2 usage, 3 a commit does not build or run.
"""
import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def output_of(command):
    """What it printed; its own messages pass through."""
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True, check=False, cwd=ROOT)
    if done.returncode != 0:
        print(f"bench_history.py: '{' '.join(map(str, command))}' ended with {done.returncode}", file=sys.stderr)
        sys.exit(3)
    return done.stdout


def commits_of(parser, names):
    """Full ids, each once, in the order given."""
    found = []
    for name in names:
        done = subprocess.run(["git", "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"], cwd=ROOT,
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            parser.error(f"'{name}' is not a commit; fetch it (git fetch --unshallow) or name another")
        if done.stdout.strip() not in found:
            found.append(done.stdout.strip())
    if len(found) < 2:
        parser.error("a history needs two commits at least")
    return found


def build(commit):
    tree = ROOT / "build" / f"base-{commit}"
    if not (tree / "CMakeLists.txt").exists():
        output_of(["git", "worktree", "prune"])
        output_of(["git", "worktree", "add", "--detach", tree, commit])
    return Path(output_of([tree / "scripts/build.sh", "release", "-DHETERO_TESTS=OFF"]).strip().splitlines()[-1])


def bench(program, arguments, model):
    # --plan none: a plan that only some of them know would be compared otherwise, not the code.
    return json.loads(output_of([program / "hetero-infer", "-q", "-m", model, "--devices", arguments.devices, "--plan",
                                 "none", "--bench", arguments.bench, "-r", "1", "--json"]))


def add_round(rows, measured, commit):
    for row in measured:
        key = (row["test"], tuple(row["devices"]))
        if key not in rows:
            rows[key] = dict(row, environment=dict(row.get("environment", {}), commit=commit))
            rows[key]["tok_per_s"] = {"samples": []}
        rows[key]["tok_per_s"]["samples"].append(row["tok_per_s"]["median"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commits", nargs="+", metavar="COMMIT", help="the oldest first")
    parser.add_argument("--bench", default="pp64,tg32")
    parser.add_argument("--devices", default="cpu")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--model", help="default: what scripts/fetch_model.sh gives")
    parser.add_argument("--out", type=Path, default=ROOT / "build/history")
    arguments = parser.parse_args()
    if not re.fullmatch(r"(pp|tg)[1-9]\d{0,5}(,(pp|tg)[1-9]\d{0,5})*", arguments.bench):
        parser.error(f"'{arguments.bench}' names no tests; write ppN or tgN, for example pp64,tg32")
    if arguments.rounds < 2:
        parser.error("--rounds must be at least 2")
    commits = commits_of(parser, arguments.commits)
    report = Path(output_of([ROOT / "scripts/build.sh", "release", "-DHETERO_TESTS=OFF"]).strip().splitlines()[-1])
    programs = {commit: build(commit) for commit in commits}
    model = arguments.model or output_of([ROOT / "scripts/fetch_model.sh"]).strip()

    rows = {commit: {} for commit in commits}
    for number in range(arguments.rounds + 1):
        print(f"round {number} of {arguments.rounds}{', warming up' if number == 0 else ''}", file=sys.stderr)
        turn = number % len(commits)
        for commit in commits[turn:] + commits[:turn]:
            measured = bench(programs[commit], arguments, model)
            if number > 0:
                add_round(rows[commit], measured, commit)

    (arguments.out / "commits").mkdir(parents=True, exist_ok=True)
    files = []
    for number, commit in enumerate(commits, 1):
        files.append(arguments.out / "commits" / f"{number:02}-{commit[:12]}.json")
        files[-1].write_text(json.dumps(list(rows[commit].values()), indent=1) + "\n", encoding="utf-8")
    for form in ("html", "json"):
        output_of([report / "hetero-report", "-q", "history", f"--{form}", "-o", arguments.out / f"history.{form}", *files])
    print(output_of([report / "hetero-report", "history", *files]), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
