"""Servers for the tests: a running one, tensorflow_model_server if it is on PATH, or its double."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from google.protobuf import text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from examples import manifest
from examples.served import GrpcClient, ServerError

REAL = shutil.which("tensorflow_model_server")
# Addresses, "host:port", of a running server of saved_models/models.config.
RUNNING = [os.environ.get(f"TENSORFLOW_SERVING_{name}") for name in ("GRPC", "REST")]
DOUBLE = Path(__file__).parent / "double"
SAVED_MODELS = Path(__file__).parents[2] / "saved_models"
# The published version of each model. The examples write further versions beside it.
PUBLISHED = {name: entry["version"] for name, entry in manifest.read(SAVED_MODELS).items()}


class Server:
    """A server process; entering its context waits until every model is available.

    Args:
        folder: pathlib.Path for its configuration and its log.
        models: Dict of name to the directory of its versions.
        *flags: Additional flags of the server.
        versions: Dict of name to the only version to serve. None: the largest of each model.
    """

    def __init__(self, folder, models, *flags, versions=None):
        if any(RUNNING):
            pytest.skip(f"needs a server of its own; the one at {RUNNING[0]} is left unchanged")
        folder.mkdir(parents=True, exist_ok=True)
        self.models, self.log = models, folder / "server.log"
        self.grpc, self.rest = (f"127.0.0.1:{port}" for port in find_free_ports(2))
        config = ModelServerConfig()
        for name, path in models.items():
            entry = config.model_config_list.config.add(
                name=name, base_path=str(Path(path).resolve()), model_platform="tensorflow"
            )
            if versions:
                entry.model_version_policy.specific.versions.append(versions[name])
        file = folder / "models.config"
        file.write_text(text_format.MessageToString(config))
        program = [REAL] if REAL else [sys.executable, "-P", str(DOUBLE)]
        self.command = [
            *program,
            f"--port={self.grpc.split(':')[1]}",
            f"--rest_api_port={self.rest.split(':')[1]}",
            f"--model_config_file={file}",
            "--file_system_poll_wait_seconds=1",
            # By default a broken version is loaded six times, a minute apart, and holds up the new
            # versions of all models meanwhile.
            "--max_num_load_retries=0",
            *flags,
        ]
        self.start()

    def __enter__(self):
        self.wait()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def start(self):
        """Start the process, always on the same ports."""
        # Each of glibc's arenas keeps freed memory, and by default there are up to eight per core.
        environment = {"MALLOC_ARENA_MAX": "2", **os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
        environment["TF_CPP_MIN_LOG_LEVEL"] = "2"
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                self.command, env=environment, stdout=log, stderr=subprocess.STDOUT
            )

    def wait(self, version=None, seconds=120):
        """Wait until every model has an available version, or until `version` is available."""
        client = GrpcClient(self.grpc, timeout=seconds)
        for name in self.models:
            self.wait_for(
                lambda name=name: self._is_available(client, name, version), name, seconds
            )
        client.close()

    def wait_for(self, condition, description, seconds=120):
        """Wait until the function `condition` returns a true value."""
        wait_until(condition, description, seconds, self.process, self.log)

    def kill(self):
        """Kill the process."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def is_running(self):
        """Return True until the process has ended."""
        return self.process.poll() is None

    def megabytes(self):
        """Return the resident memory of the process."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def _is_available(self, client, name, version):
        try:
            states = client.states(name)
        except ServerError:
            return False
        available = [number for number, state in states.items() if state == "AVAILABLE"]
        return bool(available) if version is None else version in available


class RunningServer:
    """A server that is already running, at the addresses in the environment.

    Args:
        models: Dict of name to the directory of its versions, as for `Server`.
    """

    def __init__(self, models):
        if not all(RUNNING):
            raise ValueError(
                "Expected both TENSORFLOW_SERVING_GRPC and TENSORFLOW_SERVING_REST. "
                f"Received: {RUNNING}"
            )
        self.models = models
        self.grpc, self.rest = RUNNING

    def is_running(self):
        """Return True if the server answers."""
        client = GrpcClient(self.grpc, timeout=10)
        try:
            return bool(client.states(next(iter(self.models))))
        except ServerError:
            return False
        finally:
            client.close()

    def megabytes(self):
        """Return NaN: the memory of another process's server is unknown."""
        return float("nan")


@contextlib.contextmanager
def open_published_server(folder):
    """Open a server of the published versions: the running one, or else a new one."""
    models = {name: SAVED_MODELS / name for name in PUBLISHED}
    if any(RUNNING):
        yield RunningServer(models)
        return
    with Server(folder, models, versions=PUBLISHED) as server:
        yield server


def wait_until(condition, description, seconds, process, log):
    """Wait until `condition` returns a true value; fail with the log's end if the process ends."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end or process.poll() is not None:
            raise RuntimeError(f"No {description} yet:\n{log.read_text()[-3000:]}")
        time.sleep(0.1)


def find_published(name):
    """Return the published version directory of a model."""
    return SAVED_MODELS / name / str(PUBLISHED[name])


def find_free_ports(count):
    """Return numbers of ports that no program uses now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for opened in sockets:
            opened.bind(("127.0.0.1", 0))
        return [opened.getsockname()[1] for opened in sockets]
    finally:
        for opened in sockets:
            opened.close()
