#!/usr/bin/env bash
# Tunes for a minute and writes what hetero-report makes of it: report.html, .md, .json and .xml (JUnit).
#   scripts/make_report.sh [FOLDER]        default build/report
#
# In the environment: BUDGET (default 60s), DEVICES, MODEL (default: what scripts/fetch_model.sh gives).
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
for form in html markdown json; do
  "$bin/hetero-report" "$form" --db "$out/profiles.db" -o "$out/report.${form/markdown/md}"
done
"$bin/hetero-report" junit --db "$out/profiles.db" -o "$out/report.xml"
echo "$out/report.html"
