"""Servers: tensorflow_model_server if it is on PATH, else the double; or one that runs already."""

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

from examples.served import GrpcClient, ServerError

REAL = shutil.which("tensorflow_model_server")
# Addresses, "host:port", of a server that runs already and serves saved_models/models.config.
RUNNING = [os.environ.get(f"TENSORFLOW_SERVING_{name}") for name in ("GRPC", "REST")]
DOUBLE = Path(__file__).parent / "double"
SAVED_MODELS = Path(__file__).parents[2] / "saved_models"


class Server:
    """A process that serves.

    Args:
        folder: pathlib.Path for its configuration and what it says.
        models: Dict of name to the directory of its versions.
        *flags: More of the server's flags.
    """

    def __init__(self, folder, models, *flags):
        if any(RUNNING):
            pytest.skip(f"a server of the test's own; the one at {RUNNING[0]} is left as it is")
        folder.mkdir(parents=True, exist_ok=True)
        self.models, self.log = models, folder / "server.log"
        self.grpc, self.rest = (f"127.0.0.1:{port}" for port in _free_ports(2))
        config = ModelServerConfig()
        for name, path in models.items():
            config.model_config_list.config.add(
                name=name, base_path=str(Path(path).resolve()), model_platform="tensorflow"
            )
        file = folder / "models.config"
        file.write_text(text_format.MessageToString(config))
        program = [REAL] if REAL else [sys.executable, "-P", str(DOUBLE)]
        self.command = [
            *program,
            f"--port={self.grpc.split(':')[1]}",
            f"--rest_api_port={self.rest.split(':')[1]}",
            f"--model_config_file={file}",
            "--file_system_poll_wait_seconds=1",
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
        """Starts the process, on the same ports every time."""
        # Each of glibc's arenas keeps what was freed in it, and there may be eight for each core.
        environment = {"MALLOC_ARENA_MAX": "2", **os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
        environment["TF_CPP_MIN_LOG_LEVEL"] = "2"
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                self.command, env=environment, stdout=log, stderr=subprocess.STDOUT
            )

    def wait(self, version=None, seconds=120):
        """Waits till every model has a version that is served, or this one."""
        client = GrpcClient(self.grpc, timeout=seconds)
        for name in self.models:
            self.wait_for(lambda name=name: self._serves(client, name, version), name, seconds)
        client.close()

    def wait_for(self, happened, what, seconds=120):
        """Waits till a function returns something true."""
        end = time.monotonic() + seconds
        while not happened():
            if time.monotonic() > end or not self.is_running():
                raise RuntimeError(f"No {what} yet:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.1)

    def kill(self):
        """Ends the process at once, whatever it is at."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def is_running(self):
        """Whether the process has not ended."""
        return self.process.poll() is None

    def megabytes(self):
        """Memory that the process holds."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def _serves(self, client, name, version):
        try:
            states = client.states(name)
        except ServerError:
            return False
        found = [number for number, state in states.items() if state == "AVAILABLE"]
        return bool(found) if version is None else version in found


class RunningServer:
    """A server that somebody else has started, at the addresses of the environment.

    Args:
        models: As a `Server`'s.
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
        """Whether it answers."""
        client = GrpcClient(self.grpc, timeout=10)
        try:
            return bool(client.states(next(iter(self.models))))
        except ServerError:
            return False
        finally:
            client.close()

    def megabytes(self):
        """Not to be seen from here: no number."""
        return float("nan")


def _free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
