"""hetero-infer itself, as a process: its rates come from --bench."""
import json
import subprocess
from pathlib import Path

from peers.engine import Engine


class Hetero(Engine):
    name = "hetero"

    def __init__(self, program):
        self.program = Path(program)

    def missing(self):
        if self.program.is_file():
            return None
        return f"there is no {self.program}; build first (scripts/build.sh release) or name it with --infer"

    def round(self, task):
        """Its rows, as it printed them. It is no Python, so there is no measure()."""
        command = [str(self.program), "-q", "-m", str(task.model), "--devices", task.options["devices"], "--plan",
                   task.options["plan"], "--bench", ",".join(name for name, _ in task.tests), "-r", "1", "--json"]
        if task.options["db"]:
            command += ["--db", task.options["db"]]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError((done.stderr.strip().splitlines() or ["no message"])[-1])
        return json.loads(done.stdout)
