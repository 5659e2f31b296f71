#!/usr/bin/env python3
"""Does the simulator tell this machine's own times? Exports the profile and plan that hetero-tune made, simulates them, and
runs the same plan and every single device for real, in turn.

  scripts/check_simulation.py MODEL.gguf [--devices cpu:0,opencl:0@1] [--db FILE] [--bin build/release/bin]
                              [--tests pp128,pp256,pp512,tg32] [-r 5]

Prints a table: measured, simulated, deviation of the simulated time. A benchmark, no part of ctest: a machine that is not as
fast as when it was tuned deviates by that. Exit codes: 0 done, 2 usage, 3 a program failed.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile


def run(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(f"check_simulation.py: {' '.join(map(str, command))}: {done.stderr.strip()}", file=sys.stderr)
        sys.exit(3)
    return done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--devices", default="cpu:0,opencl:0@1")
    parser.add_argument("--db")
    parser.add_argument("--bin", type=pathlib.Path, default=pathlib.Path("build/release/bin"))
    parser.add_argument("--tests", default="pp128,pp256,pp512,tg32")
    parser.add_argument("-r", "--repetitions", default="5")
    arguments = parser.parse_args()
    tune, infer = arguments.bin / "hetero-tune", arguments.bin / "hetero-infer"
    database = ["--db", arguments.db] if arguments.db else []
    with tempfile.TemporaryDirectory() as folder:
        profile, plan = pathlib.Path(folder) / "own.json", pathlib.Path(folder) / "plan.json"
        run([tune, "export", "--what", "profile", "--devices", arguments.devices, *database, "-o", profile])
        text = run([tune, "export", "--model", arguments.model, "--devices", arguments.devices, *database])
        system = json.loads(profile.read_text(encoding="utf-8"))
        for device in system["devices"]:  # as simulated devices are called
            text = text.replace(f'"{device["device"]}"', f'"sim:{system["name"]}/{device["device"]}"')
        plan.write_text(text, encoding="utf-8")

        def simulated(test, flags):
            count = test[2:]
            length = ["--prompt", count, "--generate", "1"] if test.startswith("pp") else ["--prompt", "1", "--generate", count]
            result = json.loads(run([tune, "simulate", "--profile", profile, "--shape", arguments.model, *length, "--json", *flags]))
            return result["prefill" if test.startswith("pp") else "decode"]["tok_per_s"]

        rows = json.loads(run([infer, "-q", "-m", arguments.model, "--devices", arguments.devices, *database, "--bench",
                               arguments.tests, "-r", arguments.repetitions, "--with-singles", "--json"]))
        print("| test | what | measured tok/s | +- MAD | simulated tok/s | time simulated / measured |")
        print("| --- | --- | --- | --- | --- | --- |")
        for row in rows:
            single = len(row["devices"]) == 1
            flags = ["--devices", row["devices"][0], "--strategy", "single"] if single else ["--plan", plan]
            expected = simulated(row["test"], flags)
            measured = row["tok_per_s"]["median"]
            what = row["devices"][0] + " alone" if single else "plan (" + row["plan"] + ")"
            print(f"| {row['test']} | {what} | {measured:.1f} | {row['tok_per_s']['mad']:.1f} | {expected:.1f} | "
                  f"{measured / expected:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
