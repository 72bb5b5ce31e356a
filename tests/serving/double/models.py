"""The models of a configuration file, each with its requested versions."""

import struct
import threading
import time
from pathlib import Path

import tensorflow
from google.protobuf import text_format
from google.protobuf.message import DecodeError
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from double.configured import list_requested_versions, resolve_labels
from double.refusal import INVALID, MISSING, Refusal
from double.warmup import warm_up
from keras_attention.export.checks.c_loader.model import LoaderError, Model


class Loaded:
    """A loaded version after its warm-up, closed when the last request that uses it is done."""

    def __init__(self, path):
        self.model = Model(path, tensorflow.__path__[0], disable_xla=True)
        warm_up(self.model, path)

    def __del__(self):
        if hasattr(self, "model"):
            self.model.close()


class Models:
    """All served models.

    Args:
        config_file: pathlib.Path of a ModelServerConfig as text.
        wait: Seconds between two scans of the directories.
        reread: Seconds after which the file is read again; 0 = it is read once.
        allows_unavailable: Whether new labels may name versions that are not loaded.
    """

    def __init__(self, config_file, wait, reread=0, allows_unavailable=False):
        self.config_file, self.wait, self.reread = config_file, wait, reread
        self.allows_unavailable = allows_unavailable
        self.configs, self.labels = {}, {}
        self.loaded, self.failed = {}, {}  # name: {version: Loaded, or (code, message)}
        self.lock = threading.Lock()
        refusal = self.read_config()
        if refusal:
            raise SystemExit(f"Failed to start server. Error: FAILED_PRECONDITION: {refusal}")

    def read_config(self):
        """Read the file; return the reason if its labels are refused."""
        config = text_format.Parse(self.config_file.read_text(), ModelServerConfig())
        with self.lock:
            self.configs = {entry.name: entry for entry in config.model_config_list.config}
            for versions_by_name in (self.loaded, self.failed):
                for name in [*versions_by_name]:
                    if name not in self.configs:
                        del versions_by_name[name]
                for name in self.configs:
                    versions_by_name.setdefault(name, {})
            self.labels, refusal = resolve_labels(
                self.configs, self.loaded, self.labels, self.allows_unavailable
            )
        return refusal

    def watch(self):
        """Update the versions, and read the file again, in an endless loop."""
        last = time.monotonic()
        while True:
            time.sleep(self.wait)
            if self.reread and time.monotonic() - last >= self.reread:
                last = time.monotonic()
                refusal = self.read_config()
                if refusal:
                    print(refusal, flush=True)
            self.update()

    def update(self):
        """Load the versions that are requested now, and then drop the others."""
        for name, config in self.configs.items():
            requested = list_requested_versions(config)
            for version in requested:
                if version not in {**self.loaded[name], **self.failed[name]}:
                    self._load(name, version)
            # An old version stays until a requested one has replaced it.
            with self.lock:
                loaded, failed = self.loaded[name], self.failed[name]
                if any(version in loaded for version in requested):
                    for version in [*loaded]:
                        if version not in requested:
                            del loaded[version]
                for version in [*failed]:
                    if version not in requested:
                        del failed[version]

    def find(self, spec):
        """Return the number and the `Loaded` of the version that a ModelSpec names."""
        with self.lock:
            if spec.name not in self.configs:
                raise Refusal(MISSING, f"Servable not found for request: Latest({spec.name})")
            loaded = self.loaded[spec.name]
            if spec.version_label:
                labels = self.labels.get(spec.name, {})
                if spec.version_label not in labels:
                    message = f"Unrecognized servable version label: {spec.version_label}"
                    raise Refusal(INVALID, message)
                version = labels[spec.version_label]
            elif spec.HasField("version"):
                version = spec.version.value
            else:
                version = max(loaded, default=None)
            if version not in loaded:
                raise Refusal(MISSING, f"Servable not found for request: {spec.name}, {version}")
            return version, loaded[version]

    def states(self, name):
        """Return a ModelVersionStatus for each version, the newest first."""
        if name not in self.configs:
            raise Refusal(MISSING, f"Could not find any versions of model {name}")
        with self.lock:
            states = []
            for version in self.loaded[name]:
                state = ModelVersionStatus(version=version, state=ModelVersionStatus.AVAILABLE)
                states.append(state)
            for version, (code, message) in self.failed[name].items():
                state = ModelVersionStatus(version=version, state=ModelVersionStatus.END)
                state.status.error_code, state.status.error_message = code, message
                states.append(state)
        return sorted(states, key=lambda state: -state.version)

    def _load(self, name, version):
        path = Path(self.configs[name].base_path) / str(version)
        try:
            loaded = Loaded(path)
        except (LoaderError, Refusal) as error:
            failed = error.code, str(error)
        except (DecodeError, struct.error, ValueError) as error:
            failed = INVALID, f"Warm-up requests that cannot be parsed: {error}"
        else:
            with self.lock:
                self.loaded[name][version] = loaded
            return
        with self.lock:
            self.failed[name][version] = failed
