#!/usr/bin/env python3
"""Fails when a file includes a room of higher rank than its own, or a room that its own may not know.

The ranks are those of docs/design.md: base < kernels < profiles < runtime, reports < tuner; inside runtime,
model and device < exec < llm < apps. sqlite3 is seen by profiles/store only, OpenCL by the opencl folders, OpenVINO by its own.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# What a room may include beside itself.
ALLOWED = {
    "base": [],
    "kernels": ["base"],
    "profiles": ["base", "kernels"],
    "runtime/model": ["base", "kernels", "profiles"],
    "runtime/device": ["base", "kernels", "profiles"],
    "runtime/exec": ["base", "kernels", "profiles", "runtime/model", "runtime/device"],
    "runtime/llm": ["base", "kernels", "profiles", "runtime/model", "runtime/device", "runtime/exec"],
    "runtime/apps": ["base", "kernels", "profiles", "runtime"],
    "reports": ["base", "profiles"],
    "tuner/measure": ["base", "kernels", "profiles", "runtime"],
    "tuner/gate": ["base", "kernels", "profiles", "runtime", "tuner/measure"],
    "tuner/fit": ["base", "kernels", "profiles", "runtime"],
    "tuner/solve": ["base", "kernels", "profiles", "runtime/exec"],
    "tuner": ["base", "kernels", "profiles", "runtime", "tuner"],
    "tests": ["base", "kernels", "profiles", "runtime", "reports", "tuner"],
}
# Libraries that one place alone may see.
CONFINED = {
    r"sqlite3\.h": ["profiles/store", "tests"],
    r"CL/": ["runtime/device/opencl", "kernels/opencl", "tests", "tuner/apps"],
    r"hwloc": ["runtime/device/cpu", "tuner"],
    r"pcre2": ["runtime/model"],
    r"openvino/": ["runtime/device/openvino", "tests"],
}


def room_of(path: str) -> str:
    rooms = [room for room in ALLOWED if path == room or path.startswith(room + "/")]
    return max(rooms, key=len, default="")


def main() -> int:
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.h", "*.cc", "*.inc"], cwd=ROOT,
                           check=True, capture_output=True, text=True).stdout.split()
    problems = []
    for name in files:
        room = room_of(name)
        if not room:
            problems.append(f"{name}: belongs to no room")
            continue
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1):
            own = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if own:
                target = room_of(own.group(1))
                if not target:
                    problems.append(f'{name}:{number}: "{own.group(1)}" is not a path from the root')
                elif target != room and not any(target == a or target.startswith(a + "/") for a in ALLOWED[room]) \
                        and not room.startswith(target + "/"):
                    problems.append(f"{name}:{number}: {room} may not include {target}")
            system = re.match(r"\s*#\s*include\s+<([^>]+)>", line)
            if system:
                for pattern, places in CONFINED.items():
                    if re.match(pattern, system.group(1)) and not any(name.startswith(p + "/") for p in places):
                        problems.append(f"{name}:{number}: <{system.group(1)}> belongs in {', '.join(places)}")
    for problem in problems:
        print(problem)
    print(f"layers: {len(files)} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
