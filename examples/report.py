"""The figures of an example's run, with all that is needed to get them again."""

import json
import platform
import shlex
import sys
import time
from importlib.metadata import version
from pathlib import Path

from examples.training import minutes_since, write

PACKAGES = ("tensorflow", "keras", "numpy")


class Report:
    """Begins with a run and, when it ends, prints its figures and writes `figures.json`.

    Args:
        directory: The run's folder, where its checkpoint is.
        seed: Of the run.
    """

    def __init__(self, directory, seed):
        self.path, self.seed = Path(directory) / "figures.json", seed
        self.began = time.time(), time.process_time()

    def write(self, figures, export=None):
        """Adds the command, the versions and the time of this run to a dict of figures.

        Args:
            figures: Dict of numbers, strings, lists and dicts.
            export: The version's folder, if the model was exported.
        """
        passed = minutes_since(*self.began).items()
        whole = {
            "command": shlex.join(["python", *sys.argv]),
            "seed": self.seed,
            **figures,
            **{f"{name} of this run": round(minutes, 1) for name, minutes in passed},
            "versions": {"python": platform.python_version(), **{p: version(p) for p in PACKAGES}},
            "export": export and str(export),
        }
        text = json.dumps(whole, indent=1, ensure_ascii=False)
        write(self.path, lambda file: file.write(text.encode()))
        print(text)
