#!/usr/bin/env python3
"""Compares logits [n_tokens, vocab] (NumPy files of hetero-infer --logits-out): KL divergence and next tokens.

  scripts/compare_logits.py REFERENCE.npy OTHER.npy [--max-kl 1e-4]
Exit code 1 when the mean KL divergence exceeds --max-kl, or when a next token differs where the reference's margin
between its two likeliest tokens exceeds four times the root mean square difference of the logits of that row.
"""
import argparse
import sys

import numpy as np


def log_softmax(x):
    x = x - x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reference")
    parser.add_argument("other")
    parser.add_argument("--max-kl", type=float, default=None)
    args = parser.parse_args()
    a = np.load(args.reference).astype(np.float64)
    b = np.load(args.other).astype(np.float64)
    if a.shape != b.shape:
        print(f"shapes differ: {a.shape} and {b.shape}")
        return 1
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        print("not finite")
        return 1
    p, q = log_softmax(a), log_softmax(b)
    kl = (np.exp(p) * (p - q)).sum(axis=1)
    two = np.sort(a, axis=1)[:, -2:]
    margin = two[:, 1] - two[:, 0]
    difference = np.sqrt(((p - q) ** 2).mean(axis=1))
    other_token = a.argmax(axis=1) != b.argmax(axis=1)
    beyond = other_token & (margin > 4 * difference)
    print(f"rows {len(kl)}  mean KL {kl.mean():.3e}  max KL {kl.max():.3e}  rms logit difference {difference.mean():.3e}  "
          f"next token differs {other_token.sum()} (beyond the margin: {beyond.sum()})")
    return int((args.max_kl is not None and kl.mean() > args.max_kl) or beyond.any())


if __name__ == "__main__":
    sys.exit(main())
