"""A `tritonserver` process with a model repository."""

import json
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from tests.serving.servers import find_free_ports, wait_until

# The folder of a virtual environment with `nvidia-pytriton`, whose requirements (numpy < 2) this
# environment cannot meet.
ENVIRONMENT = "KERAS_ATTENTION_TRITON"
FIND_FOLDERS = """
import json, sys, sysconfig
version = "%d.%d" % sys.version_info[:2]
print(json.dumps([sysconfig.get_path("purelib"), sysconfig.get_config_var("LIBDIR"), version]))
"""


class TritonServer:
    """A server in poll mode; entering its context waits until all models are ready.

    Args:
        environment: Folder of the virtual environment.
        repository: The model repository.
        folder: pathlib.Path for its log and its Python backend.
    """

    def __init__(self, environment, repository, folder):
        self.python = Path(environment) / "bin" / "python"
        output = subprocess.run(
            [self.python, "-c", FIND_FOLDERS], capture_output=True, text=True, check=True
        ).stdout
        packages, libraries, version = json.loads(output)
        triton = Path(packages, "pytriton", "tritonserver")
        backends = folder / "backends"
        shutil.copytree(triton / "backends", backends)
        # The program in which the backend runs the models, for this version of Python.
        stub = triton / "python_backend_stubs" / version / "triton_python_backend_stub"
        shutil.copy(stub, backends / "python")
        self.http, self.grpc, self.metrics = find_free_ports(3)
        self.repository, self.log = repository, folder / "triton.log"
        self.command = [
            triton / "bin" / "tritonserver",
            f"--model-repository={repository}",
            f"--backend-directory={backends}",
            *(f"--{name}-address=127.0.0.1" for name in ("http", "grpc", "metrics")),
            f"--http-port={self.http}",
            f"--grpc-port={self.grpc}",
            f"--metrics-port={self.metrics}",
            "--allow-gpu-metrics=false",
            "--disable-auto-complete-config",
            "--model-control-mode=poll",
            "--repository-poll-secs=1",
        ]
        self.environment = {
            **os.environ,
            # The stub takes the modules of the first Python on PATH.
            "PATH": f"{self.python.parent}:{os.environ['PATH']}",
            "LD_LIBRARY_PATH": f"{packages}/nvidia_pytriton.libs:{libraries}",
            "MALLOC_ARENA_MAX": "2",
            "CUDA_VISIBLE_DEVICES": "-1",
            "TF_CPP_MIN_LOG_LEVEL": "2",
        }
        # Variables of another virtual environment would lead the stub to its packages.
        for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
            self.environment.pop(name, None)

    def __enter__(self):
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                self.command, env=self.environment, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            self.wait_for(lambda: self.get("/v2/health/ready") is not None, "server")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def get(self, path, port=None):
        """Return the text of the server's answer; None if there is none or an error."""
        address = f"http://127.0.0.1:{port or self.http}{path}"
        try:
            with urllib.request.urlopen(address, timeout=10) as file:
                return file.read().decode()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return None

    def is_ready(self, model, version):
        """Return True if the server answers requests of this version."""
        return self.get(f"/v2/models/{model}/versions/{version}/ready") is not None

    def sum_metric(self, name):
        """Return the sum of a metric over all models."""
        text = self.get("/metrics", self.metrics)
        return sum(float(value) for value in re.findall(rf"^{name}{{.*}} (.*)$", text, re.M))

    def wait_for(self, condition, description, seconds=300):
        """Wait until the function `condition` returns a true value."""
        wait_until(condition, description, seconds, self.process, self.log)
