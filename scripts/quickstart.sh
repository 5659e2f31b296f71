#!/usr/bin/env bash
# From a bare Debian 12 machine to a tuned model that answers. Idempotent: what is there already is used again.
#   scripts/quickstart.sh [MODEL.gguf | https://huggingface.co/.../FILE.gguf]
#   BUDGET=60s, DEVICES=cpu:0,opencl:0@1 and PROMPT=... in the environment change what is done.
set -euo pipefail
cd "$(dirname "$0")/.."

budget=${BUDGET:-60s}
prompt=${PROMPT:-"Why is the sky blue? Answer in two sentences."}
devices=()
[ -n "${DEVICES:-}" ] && devices=(--devices "$DEVICES")

step() { printf '\n\033[1m== %s\033[0m\n' "$*" >&2; }

step "1/5 packages"
scripts/install_deps.sh
step "2/5 build"
bin=$(scripts/build.sh release -DHETERO_TESTS=OFF)
step "3/5 model"
model=$(scripts/fetch_model.sh "$@")
model=${model#"$PWD"/}
echo "$model" >&2
step "4/5 tune (budget $budget)"
# On a busy machine a budget may end before enough is measured; the next run goes on where this one was.
for attempt in 1 2 3; do
  if "$bin/hetero-tune" run --model "$model" --budget "$budget" "${devices[@]}"; then break; fi
  [ $attempt -lt 3 ] || echo "quickstart.sh: the tuning is not finished; going on without its plan" >&2
done
step "5/5 answer, under the tuned plan"
echo "> $prompt"
"$bin/hetero-infer" --model "$model" --prompt "$prompt" --predict 96 "${devices[@]}"
step "tokens per second: the plan, and each device alone (interleaved)"
"$bin/hetero-infer" --model "$model" --bench pp256,tg64 -r 5 --with-singles "${devices[@]}"

relative=${bin#"$PWD"/}
cat <<NEXT

Try next:
  $relative/hetero-tune devices                                   what is here, and how to enable more
  $relative/hetero-tune explain --model $model     why each block is divided as it is
  $relative/hetero-infer -m $model -p "..." --trace trace.json   then open trace.json at ui.perfetto.dev
  $relative/hetero-tune simulate --profile snapdragon-8-gen-3 --shape llama-3-8b --prompt 256 --generate 64
NEXT
