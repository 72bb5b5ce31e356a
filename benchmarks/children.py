"""The parent's side: one child process a backend, asked in turn, and one for each memory case."""

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading

MODULES = {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}


def installed():
    """The backends that this Python has; none is imported."""
    return [name for name, module in MODULES.items() if importlib.util.find_spec(module)]


def environment(backend, device, quick):
    """The child's environment variables."""
    chosen = {
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # Two backends of a GPU at once: none may take all of its memory.
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    }
    if device == "cpu":
        chosen |= {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    if quick:  # a quick run's programs run for a moment: XLA need not try hard
        chosen["XLA_FLAGS"] = "--xla_backend_optimization_level=0"
    return {**os.environ, **chosen}


class Child:
    """A process with a backend that answers questions; one that died is started anew.

    Args:
        backend: "tensorflow", "jax" or "torch".
        device: "cpu" or "gpu".
        log: Path of a file for what its libraries print.
        quick: Whether XLA need not optimize.
        patience: Seconds after which it is stopped.
    """

    def __init__(self, backend, device, log, quick=False, patience=600):
        self.backend, self.log, self.patience = backend, log, patience
        self.environment = environment(backend, device, quick)
        self.process = None

    def ask(self, question):
        """The answer, or {"died": how}."""
        if self.process is None:
            with open(self.log, "a", encoding="utf-8") as log:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", "benchmarks.worker", self.backend],
                    env=self.environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                )
        timer = threading.Timer(self.patience, self.process.kill)
        timer.start()
        line = ""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        is_late = not timer.is_alive()
        timer.cancel()
        if line:
            return json.loads(line)
        code = self.close()
        late = f"took longer than {self.patience} s"
        return {"died": late if is_late else f"the process ended: {_reason(code)}"}

    def close(self):
        """Ends the process; its exit status."""
        if self.process is None:
            return 0
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        code = self.process.wait()
        self.process.stdout.close()
        self.process = None
        return code


def _reason(code):
    return signal.Signals(-code).name if code < 0 else f"exit status {code}"
