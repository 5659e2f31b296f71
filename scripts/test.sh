#!/usr/bin/env bash
# Installs what is missing, builds, and runs all tests. Further arguments go to ctest (-L unit, -R name ...).
# Tests on the real model run when it can be fetched; otherwise they say that they were skipped. Without arguments the
# tests of the openvino devices follow, in a build of their own: everything before them is built without OpenVINO.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install_deps.sh
bin=$(scripts/build.sh dev)
if model=$(scripts/fetch_model.sh --no-fallback); then
  export HETERO_TEST_MODEL=$model
else
  echo "the real model could not be fetched: the tests that need it are skipped" >&2
fi
export HETERO_BIN=$bin
ctest --test-dir build/dev --output-on-failure -j 1 "$@"
[ $# -eq 0 ] || exit 0

if scripts/setup_openvino.sh; then
  HETERO_TARGETS="test_openvino e2e_openvino_test" scripts/build.sh openvino >/dev/null
  ctest --test-dir build/openvino --output-on-failure -j 1 -R openvino
else
  echo "OpenVINO could not be fetched: the tests of its devices are skipped" >&2
fi
