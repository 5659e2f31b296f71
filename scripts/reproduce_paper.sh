#!/usr/bin/env bash
# Builds hetero-tune if it is not there, simulates every published figure of HeteroInfer (arXiv 2501.14794v2), and writes
# reports/published/heteroinfer.md and .json. With --check: writes nothing, fails when the files would change.
#   TUNE=path/to/hetero-tune scripts/reproduce_paper.sh [--check]
set -euo pipefail
cd "$(dirname "$0")/.."

tune=${TUNE:-build/release/bin/hetero-tune}
if [ ! -x "$tune" ]; then
  cmake --preset release >/dev/null
  cmake --build --preset release --target hetero-tune
fi
exec python3 scripts/reproduce_paper.py --tune "$tune" "$@"
