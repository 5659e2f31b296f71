"""Engines that bench_peers.py compares: one file an engine, each with a class of the interface in engine.py."""
