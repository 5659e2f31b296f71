#!/usr/bin/env bash
# Checks .github/workflows: against GitHub's schema, and that every script they call is there. Where it is installed,
# actionlint looks at them too, and shellcheck at the scripts.
#   scripts/check_workflows.sh
# check-jsonschema (PyPI; it carries the schema) is installed into build/lint once, unless it is on the PATH.
# Exit codes: 0 good, 1 not, 3 check-jsonschema cannot be installed.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.39.0 # pinned: what passes today passes tomorrow
workflows=(.github/workflows/*.yml)
checker=$(command -v check-jsonschema || echo build/lint/bin/check-jsonschema)
if [ ! -x "$checker" ]; then
  { python3 -m venv build/lint && build/lint/bin/pip install -q --disable-pip-version-check "check-jsonschema==$version"; } >&2 || {
    echo "error: check-jsonschema cannot be installed; install it yourself (PyPI) and put it on the PATH" >&2
    exit 3
  }
fi

status=0
"$checker" --builtin-schema vendor.github-workflows "${workflows[@]}" >&2 || status=1

while read -r script; do
  [ -x "$script" ] || { echo "error: a workflow calls $script, which is not there or not executable" >&2; status=1; }
done < <(grep -hoE '(scripts/[A-Za-z0-9_./-]+|\.ci/run)' "${workflows[@]}" | grep -v '\.md$' | sort -u)

if command -v actionlint >/dev/null; then
  actionlint "${workflows[@]}" >&2 || status=1
fi
if command -v shellcheck >/dev/null; then
  shellcheck --severity=warning scripts/*.sh .ci/run >&2 || status=1
else
  echo "note: no shellcheck (apt-get install shellcheck), so scripts were not checked" >&2
fi
exit $status
