"""The shared loader process, and the fixture that lets a test module use it."""

import contextlib
import importlib
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from keras_attention.export.checks.c_loader.arrays import as_array
from keras_attention.export.checks.c_loader.model import LoaderError

PROGRAM = Path(__file__).parent
# The modules that call `run_calls` or `try_calls` by name.
CALLERS = {
    "run_calls": ("checks.fresh_process", "checks.outputs"),
    "try_calls": ("checks.fresh_process", "checks.trial_requests"),
}


class LoaderProcess:
    """A process that answers like `keras_attention.export.checks.fresh_process.run_calls`."""

    def __init__(self):
        self.process = None  # started by the first call

    def start(self):
        """Start the process."""
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"}
        command = [sys.executable, "-P", str(PROGRAM)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe)

    def run_calls(self, path, calls, disable_xla=True, timeout=None):
        """Run `(signature, inputs)` pairs; raise the first error."""
        answers = self.try_calls(path, calls, disable_xla, timeout)
        for answer in answers:
            if isinstance(answer, RuntimeError):
                raise answer
        return answers

    def try_calls(self, path, calls, disable_xla=True, timeout=None):
        """Run `(signature, inputs)` pairs; raise RuntimeError if the model cannot be loaded."""
        if not disable_xla:
            raise ValueError("Expected XLA to be disabled: it cannot be enabled again.")
        calls = [
            (signature, {name: as_array(value) for name, value in inputs.items()})
            for signature, inputs in calls
        ]
        if self.process is None:
            self.start()
        # The process keeps its own working directory, so it needs an absolute path.
        pickle.dump((str(Path(path).resolve()), calls), self.process.stdin)
        self.process.stdin.flush()
        answers = pickle.load(self.process.stdout)
        if isinstance(answers, str):
            raise RuntimeError(answers)
        return [LoaderError(*answer) if isinstance(answer, tuple) else answer for answer in answers]

    def close(self):
        """End the process."""
        if self.process is not None:
            self.process.stdin.close()
            self.process.stdout.close()
            self.process.wait()


@pytest.fixture(scope="session")
def loader_process():
    process = LoaderProcess()
    yield process
    process.close()


@contextlib.contextmanager
def use_loader(process):
    """Let the package run its calls in a LoaderProcess."""
    with pytest.MonkeyPatch.context() as patch:
        for function, modules in CALLERS.items():
            for name in modules:
                module = importlib.import_module(f"keras_attention.export.{name}")
                patch.setattr(module, function, getattr(process, function))
        yield


@pytest.fixture(scope="module", autouse=True)
def use_shared_loader(request):
    """Let the package run its calls in the shared process; a module can override this fixture."""
    with use_loader(request.getfixturevalue("loader_process")):
        yield
