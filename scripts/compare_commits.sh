#!/usr/bin/env bash
# Is this tree slower than another commit? Builds both and runs the same benchmark in alternation.
#   scripts/compare_commits.sh BASE [hetero-report compare arguments ...]
#
# In the environment: BENCH (default pp64,tg32), DEVICES (default cpu), ROUNDS (default 10), MODEL (default: what
# scripts/fetch_model.sh gives), OUT (default build/compare): comparison.md, .json, .xml and measured-a.json, -b.json go there.
# Exit codes: 0 no regression, 1 a regression, 2 usage, 3 environment, 4 what came out is not comparable.
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# -ge 1 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
base=$(git rev-parse --verify --quiet "$1^{commit}") ||
  { echo "error: '$1' is not a commit; fetch it (git fetch --unshallow) or name another" >&2; exit 2; }
shift

out=${OUT:-build/compare}
tree=$PWD/build/base-$base
mkdir -p "$out"
[ -e "$tree/CMakeLists.txt" ] || { git worktree prune; git worktree add --detach "$tree" "$base" >&2; }

head_bin=$(scripts/build.sh release -DHETERO_TESTS=OFF)
base_bin=$("$tree/scripts/build.sh" release -DHETERO_TESTS=OFF)
model=${MODEL:-$(scripts/fetch_model.sh)}

# One process a sample, one repetition in it. --plan none: a plan that only one of the two knows would be compared
# otherwise, not the code.
bench() {
  printf '%q -q -m %q --devices %q --plan none --bench %q -r 1 --json' "$1/hetero-infer" "$model" "${DEVICES:-cpu}" \
    "${BENCH:-pp64,tg32}"
}

status=0
"$head_bin/hetero-report" compare --paired --rounds "${ROUNDS:-10}" --save "$out/measured" \
  --markdown -o "$out/comparison.md" "$@" "$(bench "$base_bin")" "$(bench "$head_bin")" || status=$?
[ $status -le 1 ] || exit $status
# The same samples in the other forms; they find the same, so their exit code says nothing new.
for form in json junit; do
  "$head_bin/hetero-report" -q compare "$out/measured-a.json" "$out/measured-b.json" "--$form" "$@" \
    -o "$out/comparison.${form/junit/xml}" || [ $? -eq 1 ]
done
cat "$out/comparison.md"
exit $status
