#!/usr/bin/env python3
"""Prompts that fit no graph, simulated: time to the first token over prompt lengths, for graphs made on demand, padding, a
pipe of whole graphs (these on the static device alone) and what the solver chooses.

  scripts/bench_lengths.py [--profile snapdragon-8-gen-3] [--shape llama-3-8b] [--devices gpu,npu] [--static npu]
                           [--lengths 33,65,129] [--check]

Prints a Markdown table of milliseconds. --check fails (exit code 1) where the solver's choice is more than 2 % slower
than another, or less than 1.5 times as fast as padding one row above a standard size. Real devices:
hetero-tune lengths."""
import argparse
import json
import subprocess
import sys

SIZES = [32, 64, 128, 256, 512, 1024]
WORSE = 1.02
ABOVE_A_SIZE = 1.5


def time_to_first_token(tune, flags, extra):
    """Milliseconds."""
    command = [tune, "simulate", "--profile", flags.profile, "--shape", flags.shape, "--generate", "0", "--json", *extra]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")
    return json.loads(done.stdout)["prefill"]["ttft_ms"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tune", default="build/release/bin/hetero-tune")
    parser.add_argument("--profile", default="snapdragon-8-gen-3")
    parser.add_argument("--shape", default="llama-3-8b")
    parser.add_argument("--devices", default="gpu,npu")
    parser.add_argument("--static", default="npu", help="of the devices, the one with graphs")
    parser.add_argument("--lengths", default="33,48,65,96,129,135,200,257,300,400,513,525,600,800,1000")
    parser.add_argument("--check", action="store_true")
    flags = parser.parse_args()

    manners = {
        "on demand": ["--devices", flags.static, "--graphs", "online"],
        "padded": ["--devices", flags.static, "--strategy", "pad"],
        "pipe": ["--devices", flags.static, "--strategy", "single"],
        "solver": ["--devices", flags.devices],
    }
    failures = []
    print(f"Simulated, {flags.shape} on {flags.profile} ({flags.devices}); ms to the first token.\n")
    print("| tokens | " + " | ".join(manners) + " | solver / best other | padded / solver |")
    print("| --- " * (len(manners) + 3) + "|")
    for length in (int(text) for text in flags.lengths.split(",")):
        ms = {name: time_to_first_token(flags.tune, flags, ["--prompt", str(length), *extra])
              for name, extra in manners.items()}
        other = min(value for name, value in ms.items() if name != "solver")
        figures = " | ".join(f"{value:.1f}" for value in ms.values())
        print(f"| {length} | {figures} | {ms['solver'] / other:.2f} | {ms['padded'] / ms['solver']:.2f} |")
        if ms["solver"] > WORSE * other:
            failures.append(f"{length}: the solver's choice takes {ms['solver'] / other:.3f} of the best other")
        if length - 1 in SIZES and ms["padded"] < ABOVE_A_SIZE * ms["solver"]:
            failures.append(f"{length}: padding takes only {ms['padded'] / ms['solver']:.2f} of the solver's choice")
    for failure in failures:
        print(failure, file=sys.stderr)
    sys.exit(1 if flags.check and failures else 0)


if __name__ == "__main__":
    main()
