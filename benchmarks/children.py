"""Child processes that measure: one per backend for all times, and one per memory case."""

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading

MODULES = {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}


def list_installed_backends():
    """Return the names of the installed backends, without importing them."""
    return [name for name, module in MODULES.items() if importlib.util.find_spec(module)]


def make_environment(backend, device, quick):
    """Return the environment variables of a child."""
    variables = {
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # Several backends share the GPU, so none of them may reserve all of its memory.
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    }
    if device == "cpu":
        variables |= {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    if quick:  # Compilation dominates the programs of a quick run.
        variables["XLA_FLAGS"] = "--xla_backend_optimization_level=0"
    return {**os.environ, **variables}


class Child:
    """A process with one backend that answers questions, and is restarted after a crash.

    Args:
        backend: "tensorflow", "jax" or "torch".
        device: "cpu" or "gpu".
        log: Path of the file to which the output of the libraries is written.
        quick: Whether XLA skips optimizations.
        timeout: Seconds per question, after which the process is killed.
    """

    def __init__(self, backend, device, log, quick=False, timeout=600):
        self.backend, self.log, self.timeout = backend, log, timeout
        self.environment = make_environment(backend, device, quick)
        self.process = None

    def ask(self, question):
        """Send a question to the process; return its answer, or {"died": reason}."""
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
        timer = threading.Timer(self.timeout, self.process.kill)
        timer.start()
        line = ""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        has_timed_out = not timer.is_alive()
        timer.cancel()
        if line:
            return json.loads(line)
        reason = f"the process ended: {_describe_exit(self.close())}"
        return {"died": f"took longer than {self.timeout} s" if has_timed_out else reason}

    def close(self):
        """End the process and return its exit status."""
        if self.process is None:
            return 0
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        code = self.process.wait()
        self.process.stdout.close()
        self.process = None
        return code


def _describe_exit(code):
    return signal.Signals(-code).name if code < 0 else f"exit status {code}"
