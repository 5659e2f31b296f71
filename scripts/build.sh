#!/usr/bin/env bash
# Configures and builds a preset (default: release) and prints the folder with the programs on stdout.
#   scripts/build.sh [PRESET] [CMake arguments ...]
set -euo pipefail
cd "$(dirname "$0")/.."

preset=${1:-release}
shift || true
cmake --preset "$preset" "$@" >&2
cmake --build "build/$preset" >&2
echo "$PWD/build/$preset/bin"
