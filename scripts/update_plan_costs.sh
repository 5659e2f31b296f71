#!/usr/bin/env bash
# Writes tests/tuner/simulate/plan_costs.txt anew from what the solver predicts now.
#   scripts/update_plan_costs.sh [BUILD FOLDER]      default: build/release
set -euo pipefail
cd "$(dirname "$0")/.."

build=${1:-build/release}
cmake --build "$build" --target tuner_plan_cost_test
table=$PWD/tests/tuner/simulate/plan_costs.txt
# The test reads the table after it has written it, so it passes unless something is wrong with the table itself.
HETERO_WRITE_PLAN_COSTS=$table "$(find "$build" -type f -name tuner_plan_cost_test -print -quit)"
git --no-pager diff --stat -- "$table"
