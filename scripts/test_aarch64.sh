#!/usr/bin/env bash
# Cross-builds for 64-bit ARM and runs tests under qemu: the kernels, the executor on the cpu device, the model's files.
# The kernels run on a processor with dot products and integer matrix products, and on one with neither; a NEON
# kernel whose tests were skipped on the first is a failure.
#
# Needs Debian's cross-compiler and qemu-user, which it installs (root or sudo only then). The arm64 libraries are
# unpacked in build/aarch64-sysroot; no foreign architecture is added to this system.
#   scripts/test_aarch64.sh [--all]     --all: every program and all tests without a device (much slower)
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install_deps.sh
tools=(g++-aarch64-linux-gnu qemu-user)
if ! dpkg-query -W -f='${Status}\n' "${tools[@]}" 2>/dev/null | grep -c 'install ok installed' | grep -qx "${#tools[@]}"; then
  as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  echo "installing: ${tools[*]}" >&2
  export DEBIAN_FRONTEND=noninteractive
  "${as_root[@]}" apt-get update -qq >&2
  "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${tools[@]}" >&2
fi

libraries=(
  libc6-dev ocl-icd-opencl-dev libsqlite3-dev libhwloc-dev libbenchmark-dev libgtest-dev libpcre2-dev libcli11-dev
  nlohmann-json3-dev libjs-chart.js
)
sysroot=$PWD/build/aarch64-sysroot
if [ "$(cat "$sysroot/.complete" 2>/dev/null)" != "${libraries[*]}" ]; then
  rm -rf "$sysroot"
  apt=$sysroot/apt  # a package manager's state of its own, in which nothing is installed
  mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial"
  touch "$apt/state/status"
  arm64_apt() {
    apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User="$(id -un)" \
      -o Dir::State="$apt/state" -o Dir::State::status="$apt/state/status" -o Dir::Cache="$apt/cache" \
      -o Debug::NoLocking=1 "$@" >&2
  }
  arm64_apt update
  arm64_apt install -y --download-only --no-install-recommends "${libraries[@]}"
  for package in "$apt"/cache/archives/*.deb; do dpkg-deb --extract "$package" "$sysroot"; done
  rm -rf "$apt"
  echo "${libraries[*]}" > "$sysroot/.complete"
fi

targets=(test_base test_kernels_basics test_cpu_matmul exec_test model_gguf_test model_llama_test)
tests=(-R "^($(IFS='|'; echo "${targets[*]}"))\$")
if [ "${1:-}" = --all ]; then
  targets=(all)
  tests=(-LE 'device|slow|e2e' -E test_kernels)
fi
cmake --preset aarch64 >&2
cmake --build build/aarch64 --target "${targets[@]}" test_kernels >&2
ctest --test-dir build/aarch64 --output-on-failure -j "$(nproc)" "${tests[@]}"

# on PROCESSOR PROGRAM [ARGUMENT ...]
on() { qemu-aarch64 -cpu "$1" -L "$sysroot" "build/aarch64/bin/$2" "${@:3}"; }

log=build/aarch64/neon.log
for program in test_cpu_matmul test_kernels; do
  on max "$program" --gtest_filter='*neon*' > "$log" || { cat "$log"; exit 1; }
  if grep 'needs NEON' "$log"; then
    echo "error: kernels of $program were skipped: 'qemu-aarch64 -cpu max' lacks instructions; use qemu 7 or newer" >&2
    exit 1
  fi
  echo "$program: $(grep -E 'suites? ran' "$log")"
done
on cortex-a53 test_cpu_matmul --gtest_brief=1
