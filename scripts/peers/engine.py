"""What bench_peers.py asks of an engine. A round is one process of it: measure() runs in that process and may leave behind
what it likes. Everything else runs in the parent, which loads no engine."""
import importlib.util
import resource
import sys
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Task:
    model: Path  # the GGUF file
    tests: list  # (name, tokens): ("pp64", 64) is a prompt of random tokens into an empty cache, ("tg32", 32) one by one
    threads: int
    cache: Path  # folder for what prepare() makes
    options: dict = field(default_factory=dict)  # the command line's other settings

    def longest(self):
        return max(count for _, count in self.tests)

    def tokens(self, count, vocabulary, run):
        """Pseudo-random, another row in each run: an engine that keeps prompts must not find this one."""
        return [(7919 * i + 104729 * run + 11) % vocabulary for i in range(count)]


class Engine:
    name = ""      # on the command line and in file names
    module = None  # the Python module it needs
    package = ""   # of PyPI

    def missing(self):
        """Why it cannot run here; None: it can."""
        if self.module and importlib.util.find_spec(self.module) is None:
            return f"there is no Python module {self.module} (PyPI: {self.package}); scripts/setup_peers.sh gets it"
        return None

    def prepare(self, task):
        """Once, before the first round. Returns {"made": how its model came about, "bytes": its weights in bytes}."""
        return {"made": "read from the file itself", "bytes": task.model.stat().st_size}

    def measure(self, task):
        """Each test once to warm up and once that counts: {"rates": {test: tokens per second}, "version": text}."""
        raise NotImplementedError


def peak_rss_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def give_up(message):
    """In a round's process: the parent shows the last line."""
    print(message, file=sys.stderr)
    sys.exit(3)
