#!/usr/bin/env bash
# Builds another preset than dev and runs its tests, without the slow ones. Further arguments go to ctest.
#   scripts/test_preset.sh clang | sanitize [-L unit ...]
set -euo pipefail
cd "$(dirname "$0")/.."

preset=${1:?a preset: clang or sanitize}
shift
scripts/install_deps.sh
if [ "$preset" = clang ] && ! command -v clang++ >/dev/null; then
  as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get install -y -qq --no-install-recommends clang >&2
fi
HETERO_BIN=$(scripts/build.sh "$preset")
export HETERO_BIN
ctest --test-dir "build/$preset" --output-on-failure -LE slow "$@"
