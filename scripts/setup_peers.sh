#!/usr/bin/env bash
# Gets the engines that scripts/bench_peers.py compares, from PyPI, into the virtual environment .deps/peers (not in git):
# llama.cpp (built here: minutes, and a compiler), MNN, OpenVINO GenAI, and gguf, which reads the file that MNN's model is
# made of. Idempotent. Needs network, once.
#   scripts/setup_peers.sh [llama mnn openvino]        default: all
set -euo pipefail
cd "$(dirname "$0")/.."

declare -A packages=(
  [llama]="llama-cpp-python==0.3.36"
  [mnn]="MNN==3.6.1 gguf==0.19.0"
  [openvino]="openvino-genai==2026.4.1.0"
)
engines=("$@")
[ $# -gt 0 ] || engines=(llama mnn openvino)
for engine in "${engines[@]}"; do
  if [ -z "${packages[$engine]:-}" ]; then
    echo "error: '$engine' is no engine; there are llama, mnn and openvino" >&2
    exit 2
  fi
done

target=.deps/peers
if [ ! -x "$target/bin/python" ]; then
  mkdir -p .deps
  if ! python3 -m venv "$target"; then
    rm -rf "$target"
    echo "error: python3 makes no virtual environment; apt-get install python3-venv" >&2
    exit 3
  fi
fi
failed=()
for engine in "${engines[@]}"; do
  echo "$engine: ${packages[$engine]}" >&2
  # shellcheck disable=SC2086  # several words are meant
  "$target/bin/python" -m pip install --quiet --disable-pip-version-check ${packages[$engine]} >&2 || failed+=("$engine")
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "error: pip cannot get ${failed[*]}; the others are in $target" >&2
  exit 3
fi
echo "$target"
