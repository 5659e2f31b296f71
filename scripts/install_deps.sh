#!/usr/bin/env bash
# Installs the Debian packages that building, testing and running need, if any is missing. Idempotent.
# Needs root or sudo only when something is missing.
set -euo pipefail

packages=(
  build-essential cmake ninja-build ccache pkg-config git unzip curl ca-certificates
  ocl-icd-opencl-dev opencl-clhpp-headers pocl-opencl-icd
  libsqlite3-dev libcli11-dev libhwloc-dev libbenchmark-dev libgtest-dev nlohmann-json3-dev libpcre2-dev
  clang-format python3 python3-pip python3-venv python3-numpy python3-jsonschema libjs-chart.js sqlite3
)

missing=()
for package in "${packages[@]}"; do
  if ! dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed'; then
    missing+=("$package")
  fi
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "error: missing packages and neither root nor sudo; as root run: apt-get install ${missing[*]}" >&2
    exit 3
  fi
  as_root=(sudo)
fi
echo "installing: ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq >&2
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
