#!/usr/bin/env bash
# Configures and builds a preset (default: release) and prints the folder with the programs on stdout.
#   scripts/build.sh [PRESET] [CMake arguments ...]
# HETERO_TARGETS="a b" in the environment: these targets only.
set -euo pipefail
cd "$(dirname "$0")/.."

preset=${1:-release}
shift || true
# Presets that differ in a library only share their objects: without this ccache tells builds with debug information
# apart by their folder.
export CCACHE_NOHASHDIR=1
read -ra targets <<<"${HETERO_TARGETS:-all}"
cmake --preset "$preset" "$@" >&2
cmake --build "build/$preset" --target "${targets[@]}" >&2
echo "$PWD/build/$preset/bin"
