"""The results of an example's run, with the information that is needed to reproduce them."""

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
    """A report that measures the run's duration from its own construction to `write`.

    Args:
        directory: Folder of the run, which holds its checkpoint.
        seed: Seed of the run.
    """

    def __init__(self, directory, seed):
        self.path, self.seed = Path(directory) / "figures.json", seed
        self.start = time.time(), time.process_time()

    def write(self, figures, export=None):
        """Print and write `figures.json`: results, command, versions and duration of this run.

        Args:
            figures: The results, a dict of numbers, strings, lists and dicts.
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
