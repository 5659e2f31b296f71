"""MNN's LLM engine on a model that mnn_model.py makes of the GGUF file. Rates are by MNN's own clocks, as its benchmark
takes them: prompt, and generated tokens without the choice of each (greedy, some 40 us)."""
import hashlib
import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

from peers.engine import Engine, give_up


class Mnn(Engine):
    name = "mnn"
    module = "MNN"
    package = "MNN"

    def folder(self, task):
        """Named by what it was made of, so that another file or setting makes another."""
        stat = task.model.stat()
        from peers import mnn_model  # its packages come with MNN's
        key = [str(task.model.resolve()), stat.st_size, stat.st_mtime_ns, mnn_model.FORMAT, *self.flags(task)]
        digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:8]
        return task.cache / f"{task.model.stem}-mnn-{digest}"

    def flags(self, task):
        return ["--block", "64", "--blocks", task.options["mnn_blocks"], "--bits", str(task.options["mnn_bits"]),
                "--head-bits", str(task.options["mnn_head_bits"])]

    def prepare(self, task):
        folder = self.folder(task)
        if not (folder / "config.json").is_file():
            print(f"mnn: makes {folder}", file=sys.stderr)
            command = [sys.executable, "-m", "peers.mnn_model", str(task.model.resolve()), str(folder.resolve()),
                       *self.flags(task)]
            done = subprocess.run(command, cwd=Path(__file__).resolve().parent.parent, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
            if done.returncode != 0 or not (folder / "llm.mnn").is_file():
                raise RuntimeError((done.stdout.strip().splitlines() or ["no message"])[-1])
        carried = task.options["mnn_blocks"] == "file" and task.options["mnn_bits"] == 4
        blocks = "the file's int4 blocks of 32 where it has such" if carried else \
            f"int{task.options['mnn_bits']} blocks of 64, quantised again from the file's weights"
        head = f"head int{task.options['mnn_head_bits']}"
        return {"made": f"{blocks}; {head}", "bytes": (folder / "llm.mnn.weight").stat().st_size}

    def measure(self, task):
        import MNN.llm
        folder = self.folder(task)
        vocabulary = int((folder / "tokenizer.txt").read_text(encoding="utf-8").split("\n")[3].split()[0])
        llm = MNN.llm.create(str(folder / "config.json"))
        llm.set_config({"thread_num": task.threads})
        llm.load()
        rates = {}
        for name, count in task.tests:
            prompt, generated = (count, 0) if name.startswith("pp") else (1, count)
            for run in range(2):
                llm.reset()
                llm.generate_init()
                out = llm._c_obj.generate(task.tokens(prompt, vocabulary, run), generated)  # the wrapper has no length
                if len(out) != generated:
                    give_up(f"MNN generated {len(out)} tokens instead of {generated}")
                context = llm.context
                rates[name] = count / (context.decode_us if generated else context.prefill_us) * 1e6
        return {"rates": rates, "version": f"MNN {importlib.metadata.version('MNN')}"}
