"""The figures of an example's run, with all that is needed to reproduce them."""

import json
import platform
import shlex
import sys
import time
from importlib.metadata import version
from pathlib import Path

from examples.training import measure_minutes, write

PACKAGES = ("tensorflow", "keras", "numpy")


class Report:
    """Measures a run from its construction; prints its figures and writes `figures.json`.

    Args:
        directory: Folder of the run, where its checkpoint is.
        seed: Seed of the run.
    """

    def __init__(self, directory, seed):
        self.path, self.seed = Path(directory) / "figures.json", seed
        self.start = time.time(), time.process_time()

    def write(self, figures, export=None):
        """Write a dict of figures, with the command, the versions and the duration of this run.

        Args:
            figures: Dict of numbers, strings, lists and dicts.
            export: Folder of the exported version, if the model was exported.
        """
        durations = measure_minutes(*self.start).items()
        content = {
            "command": shlex.join(["python", *sys.argv]),
            "seed": self.seed,
            **figures,
            **{f"{name} of this run": round(minutes, 1) for name, minutes in durations},
            "versions": {"python": platform.python_version(), **{p: version(p) for p in PACKAGES}},
            "export": export and str(export),
        }
        text = json.dumps(content, indent=1, ensure_ascii=False)
        write(self.path, lambda file: file.write(text.encode()))
        print(text)
