#!/usr/bin/env bash
# Tunes for a minute and writes what hetero-report makes of it: report.html, .md, .json and .xml (JUnit).
#   scripts/make_report.sh [FOLDER]        default build/report
#
# In the environment: BUDGET (default 60s), DEVICES, MODEL (default: what scripts/fetch_model.sh gives), BENCH (default
# pp256,tg16: rates of the plan and of each device alone, with a trace; empty: none).
# The database is kept in the folder, so another call goes on where this one stopped. Exit code 1: a case in report.xml
# failed.
set -euo pipefail
cd "$(dirname "$0")/.."

out=${1:-build/report}
mkdir -p "$out"
devices=()
[ -n "${DEVICES:-}" ] && devices=(--devices "$DEVICES")
bin=$(scripts/build.sh release -DHETERO_TESTS=OFF)
model=${MODEL:-$(scripts/fetch_model.sh)}
"$bin/hetero-tune" run --model "$model" --budget "${BUDGET:-60s}" --db "$out/profiles.db" "${devices[@]}" >&2
rates=()
pictures=()
if [ -n "${BENCH=pp256,tg16}" ]; then
  "$bin/hetero-infer" -q -m "$model" --db "$out/profiles.db" "${devices[@]}" --bench "$BENCH" --with-singles --json \
    --trace "$out/trace.json" >"$out/bench.json"
  rates=(--bench "$out/bench.json")
  pictures=("${rates[@]}" --trace "$out/trace.json")
fi
"$bin/hetero-report" html --db "$out/profiles.db" -o "$out/report.html" "${pictures[@]}"
"$bin/hetero-report" markdown --db "$out/profiles.db" -o "$out/report.md" "${rates[@]}"
"$bin/hetero-report" json --db "$out/profiles.db" -o "$out/report.json"
"$bin/hetero-report" junit --db "$out/profiles.db" -o "$out/report.xml"
echo "$out/report.html"
