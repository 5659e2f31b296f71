#!/usr/bin/env python3
"""Compares hetero-infer with llama.cpp on the same model file: token ids, and the logits of a 512-token text.

  python3 -m venv venv && venv/bin/pip install llama-cpp-python
  venv/bin/python scripts/compare_llama.py MODEL.gguf [--infer build/dev/bin/hetero-infer] [--devices cpu]

Token ids: every text of tests/runtime/model/tokenizer_golden.json (some hundred: Unicode, code, numbers, runs of white
space, emoji, several scripts) must give the same ids, special tokens read as plain text. Texts with a NUL byte cannot
be passed on a command line and are left out; the golden test of the build covers those, and special tokens.
Logits: mean KL divergence of hetero-infer from llama.cpp at most 5e-3, with --precision f32 and with the default.
llama.cpp quantises activations to 8 bits itself, so it is a check by an independent program, not the exact truth.

Opt-in, since llama-cpp-python takes long to build; no part of ctest. Exit code: 0 all agree, 1 something does not,
2 usage, 3 something is missing.
"""
import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests/runtime/model/tokenizer_golden.json"
MAX_KL = 5e-3
TOKENS = 512

# Cut to TOKENS tokens; of several kinds, so that the next token is now certain and now open.
TEXT = """The lighthouse at the end of the long stone pier was built in 1847, after three ships had been lost on the rocks
within a single winter. Its first keeper, a quiet man called Elias Thorne, kept a diary of the weather, of passing ships
and of the birds that struck the glass at night. "Wind from the north-west," he wrote on the 12th of March, "and snow so
thick that I could not see my own hand. I rang the bell every two minutes until dawn."

When the keeper's granddaughter sold the house in 1963, the diaries came to the museum of the town. They fill 41 volumes,
of which 38 can be read. A short program counts the storms:

def storms(days, limit=9):
    \"\"\"Days on which the wind was stronger than `limit` on the Beaufort scale.\"\"\"
    return [d for d in days if d["wind"] > limit and not d.get("doubtful", False)]

for first in range(1850, 1930, 10):
    decade = [d for d in diary if first <= d["year"] < first + 10]
    print(f"{first}-{first + 9}: {len(storms(decade)):4d} storms")

For the years 1850-1859 it finds 212 storms; for the next ten years only 174 (about 18% fewer). Whether the climate had
changed, or only the keeper, nobody can say. Die Möwen kümmert es nicht; la mer non plus. The lamp has been electric since
1931, and since 1988 no one has lived in the tower, but on the first Sunday of every month it is open to visitors, who
climb the 137 steps and look out over the grey water towards the islands.

What makes a light visible from far away is less its strength than its height and the lens in front of it. The earth is
round, so a lamp at sea level disappears behind the horizon after a few miles; one that stands 40 metres above the water
can be seen from a ship's deck at a distance of about 27 kilometres. The lens, which was invented by the French engineer
Augustin-Jean Fresnel in 1822, bends the light of a single flame into a narrow horizontal beam. It consists of rings of
glass, each of which is a prism with a slightly different angle, and it weighs less than a tenth of what a solid lens of
the same size would. Sailors told the lights of a coast apart by their rhythm: two short flashes and a long pause here,
one flash every five seconds there. The charts gave the rhythm of each, and many captains knew them by heart."""


def environment_failure(message):
    print(f"compare_llama.py: {message}", file=sys.stderr)
    sys.exit(3)


def infer(args, *more):
    command = [str(args.infer), "--model", str(args.model), *more]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        environment_failure(f"{' '.join(command[:3])} ... failed ({run.returncode}): {run.stderr.strip()[-300:]}")
    return run.stdout


def compare_tokens(args, llama):
    texts = [case["text"] for case in json.loads(GOLDEN.read_text())["cases"]]
    usable = [text for text in texts if "\0" not in text]
    different = []
    for text in usable:
        theirs = llama.tokenize(text.encode(), add_bos=False, special=False)
        flag = [f"--tokenize={text}"] if text else ["--tokenize", ""]  # "=": a text may begin with a dash
        ours = json.loads(infer(args, *flag, "--json"))["ids"]
        if ours != theirs:
            different.append((text, ours, theirs))
    for text, ours, theirs in different[:10]:
        print(f"  {text[:60]!r}: hetero-infer {ours[:12]}, llama.cpp {theirs[:12]}")
    left_out = f"({len(texts) - len(usable)} with NUL left out)"
    print(f"{'token ids':<28} {len(usable):>5} texts  {len(different)} differ  {left_out}")
    return not different


def log_softmax(np, x):
    x = x.astype(np.float64)
    x = x - x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def compare_logits(args, np, llama):
    ids = llama.tokenize(TEXT.encode(), add_bos=False, special=False)
    text = llama.detokenize(ids[:TOKENS]).decode(errors="strict")
    # As hetero-infer does, llama.cpp adds a begin-of-text token only where the model file asks for one.
    ids = llama.tokenize(text.encode(), add_bos=True, special=False)
    if len(ids) not in (TOKENS, TOKENS + 1):
        environment_failure(f"the text has {len(ids)} tokens with this vocabulary, not {TOKENS}")
    llama.reset()
    llama.eval(ids)
    theirs = log_softmax(np, llama.scores[: len(ids)])
    agree = True
    for name, flags in (("f32", ["--precision", "f32"]), ("default", [])):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "logits.npy"
            devices = ["--devices", args.devices] if args.devices else []
            context = ["--context", str(len(ids))]
            infer(args, f"--prompt={text}", "--logits-out", str(path), "--plan", "none", *context, *devices, *flags)
            logits = np.load(path)
        if logits.shape != theirs.shape or not np.isfinite(logits).all():
            print(f"{'logits, ' + name:<28} shape {logits.shape} against {theirs.shape}, or not finite")
            agree = False
            continue
        ours = log_softmax(np, logits)
        kl = (np.exp(theirs) * (theirs - ours)).sum(axis=1)
        same = (theirs.argmax(axis=1) == ours.argmax(axis=1)).mean()
        agree = agree and kl.mean() <= MAX_KL
        print(f"{'logits, precision ' + name:<28} {len(kl):>5} rows   mean KL {kl.mean():.2e} (at most {MAX_KL:.0e})  "
              f"worst {kl.max():.2e}  same next token {100 * same:.1f} %")
    return agree


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="GGUF file")
    parser.add_argument("--infer", type=Path, default=ROOT / "build/dev/bin/hetero-infer", help="the program")
    parser.add_argument("--devices", help="as hetero-infer's (default: its own choice)")
    args = parser.parse_args()
    try:
        import numpy as np
        from llama_cpp import Llama, __version__
    except ImportError as error:
        environment_failure(f"{error}; pip install llama-cpp-python into a venv and run this with its python")
    if not args.model.is_file():
        environment_failure(f"there is no model {args.model}; scripts/fetch_model.sh gets one")
    if not args.infer.is_file():
        environment_failure(f"there is no {args.infer}; build first or name it with --infer")
    llama = Llama(str(args.model), n_ctx=TOKENS + 1, n_batch=TOKENS + 1, logits_all=True, verbose=False)
    print(f"hetero-infer against llama-cpp-python {__version__} on {args.model.name}")
    tokens_agree = compare_tokens(args, llama)
    logits_agree = compare_logits(args, np, llama)
    return 0 if tokens_agree and logits_agree else 1


if __name__ == "__main__":
    sys.exit(main())
