#!/usr/bin/env bash
# Gets OpenVINO for the `openvino` devices: the PyPI wheel, which ships headers, CMake files, libraries and the CPU, GPU
# and NPU plugins, unpacked into .deps/openvino (not in git). Idempotent. Needs network, once. Installs nothing else:
# the kernel driver and firmware of an NPU are Intel's (docs/npu.md).
set -euo pipefail

version=2026.4.1
root="$(cd "$(dirname "$0")/.." && pwd)"
target="$root/.deps/openvino"

if [ "$(cat "$target/version" 2>/dev/null)" = "$version" ]; then
  echo "OpenVINO $version is in $target" >&2
  exit 0
fi

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
if ! python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest "$work" \
    "openvino==$version" >"$work/log" 2>&1; then
  tail -n 3 "$work/log" >&2
  echo "error: pip cannot get openvino $version; is there network, and a wheel for this machine and Python?" >&2
  exit 3
fi
python3 -m zipfile -e "$work"/openvino-*.whl "$work/unpacked"
# The wheel's hwloc has the name of Debian's, which our programs use: in one folder of the search path it would hide it.
rm -f "$work"/unpacked/openvino/libs/libhwloc.so*
if [ ! -f "$work/unpacked/openvino/cmake/OpenVINOConfig.cmake" ]; then
  echo "error: the wheel openvino $version has no CMake files" >&2
  exit 3
fi
echo "$version" >"$work/unpacked/version"
rm -rf "$target"
mkdir -p "$(dirname "$target")"
mv "$work/unpacked" "$target"
echo "OpenVINO $version is in $target; configure again to build the openvino devices" >&2
