"""What the scripts that time plans share: the tuned plan, plans that take turns under hetero-infer --bench, tables.

The plans take turns within one process: the machine's speed shifts within seconds, and only neighbours in time compare.
"""
import json
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def fail(message):
    print(f"{pathlib.Path(sys.argv[0]).name}: {message}", file=sys.stderr)
    sys.exit(3)


# A sweep of an hour must not end because one start of a driver failed.
TRIES = 3
ENVIRONMENT_FAILED = 3


def run(command):
    for attempt in range(TRIES):
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout
        message = f"{' '.join(str(part) for part in command[:4])} ...: {(done.stderr.strip().splitlines() or ['?'])[-1]}"
        if done.returncode != ENVIRONMENT_FAILED or attempt + 1 == TRIES:
            break
        print(f"again, after: {message}", file=sys.stderr)
    return fail(message)


def flags(parser):
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin", help="folder of the programs")
    parser.add_argument("--devices", default="cpu:0,opencl:0@1")
    parser.add_argument("--bench", default="pp256,tg64", help="tests, as of hetero-infer --bench")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=pathlib.Path, help="file for the Markdown (default: stdout)")


def exported_plan(args, database=None):
    """The tuned plan of args.devices, from a database of hetero-tune (None: the default one)."""
    export = [args.bin / "hetero-tune", "export", "-q", "-m", args.model, "--what", "plan", "--devices", args.devices]
    return json.loads(run(export + (["--db", database] if database else [])))


def take_turns(args, test, plans, rounds):
    """Lists of seconds per token, by name, of the plan files given; each was warmed up before."""
    first, *others = plans.values()
    text = run([args.bin / "hetero-infer", "-q", "-m", args.model, "--devices", args.devices, "--plan", first, "--bench",
                test, "-r", rounds, "--json"] + (["--against", ",".join(str(p) for p in others)] if others else []))
    return {name: [1 / rate for rate in row["tok_per_s"]["samples"]] for name, row in zip(plans, json.loads(text))}


def ratio(times, name, to):
    """Median and MAD of name/to, round by round."""
    ratios = [a / b for a, b in zip(times[name], times[to])]
    middle = statistics.median(ratios)
    return middle, statistics.median(abs(r - middle) for r in ratios)


def percent(value, spread):
    return f"{100 * value:+.1f} ± {100 * spread:.1f} %"


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "| " + " | ".join("---" for _ in header) + " |"]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]) + "\n"


def machine(args):
    """One line on what the figures were taken on."""
    text = run([args.bin / "hetero-infer", "-q", "-m", args.model, "--devices", args.devices.split(",")[0], "--plan",
                "none", "--bench", "pp1", "-r", "1", "--json"])
    row = json.loads(text)[0]
    environment = row["environment"]
    return (f"{environment.get('cpu', 'unknown processor')}, {args.devices}; {args.model.name}, "
            f"{row['model']['params'] / 1e6:.0f} M parameters; {args.rounds} rounds, median ± MAD")


def write(args, text):
    if args.out:
        args.out.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
