"""The models of a configuration file, each with the versions that it asks for."""

import struct
import threading
import time
from pathlib import Path

import tensorflow
from google.protobuf import text_format
from google.protobuf.message import DecodeError
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from double.configured import labelled, wanted
from double.refusal import INVALID, MISSING, Refusal
from double.warmup import warm_up
from keras_attention.export.checks.c_loader.model import LoaderError, Model


class Loaded:
    """A loaded and warm version, closed when the last request that uses it is done."""

    def __init__(self, path):
        self.model = Model(path, tensorflow.__path__[0], disable_xla=True)
        warm_up(self.model, path)

    def __del__(self):
        if hasattr(self, "model"):
            self.model.close()


class Models:
    """What is served.

    Args:
        config_file: pathlib.Path of a ModelServerConfig as text.
        wait: Seconds between two looks at the directories.
        reread: Seconds between two readings of the file; 0 = it is read once.
        allows_unavailable: Whether new labels may be of versions that are not loaded.
    """

    def __init__(self, config_file, wait, reread=0, allows_unavailable=False):
        self.config_file, self.wait, self.reread = config_file, wait, reread
        self.allows_unavailable = allows_unavailable
        self.configs, self.labels = {}, {}
        self.loaded, self.failed = {}, {}  # name: {version: Loaded, or (code, message)}
        self.lock = threading.Lock()
        refused = self.read()
        if refused:
            raise SystemExit(f"Failed to start server. Error: FAILED_PRECONDITION: {refused}")

    def read(self):
        """Reads the file; why its labels were not taken over, if they were not."""
        config = text_format.Parse(self.config_file.read_text(), ModelServerConfig())
        with self.lock:
            self.configs = {one.name: one for one in config.model_config_list.config}
            for kept in (self.loaded, self.failed):
                for name in [*kept]:
                    if name not in self.configs:
                        del kept[name]
                for name in self.configs:
                    kept.setdefault(name, {})
            self.labels, refused = labelled(
                self.configs, self.loaded, self.labels, self.allows_unavailable
            )
        return refused

    def watch(self):
        """Looks again and again."""
        last = time.monotonic()
        while True:
            time.sleep(self.wait)
            if self.reread and time.monotonic() - last >= self.reread:
                last = time.monotonic()
                refused = self.read()
                if refused:
                    print(refused, flush=True)
            self.look()

    def look(self):
        """Loads the versions that are wanted now, and only then drops those that are not."""
        for name, config in self.configs.items():
            asked = wanted(config)
            for version in asked:
                if version not in {**self.loaded[name], **self.failed[name]}:
                    self._load(name, version)
            # An old version stays until a wanted one stands in for it.
            with self.lock:
                loaded, failed = self.loaded[name], self.failed[name]
                if any(version in loaded for version in asked):
                    for version in [*loaded]:
                        if version not in asked:
                            del loaded[version]
                for version in [*failed]:
                    if version not in asked:
                        del failed[version]

    def find(self, spec):
        """Number and `Loaded` of what a ModelSpec asks for."""
        with self.lock:
            if spec.name not in self.configs:
                raise Refusal(MISSING, f"Servable not found for request: Latest({spec.name})")
            loaded = self.loaded[spec.name]
            if spec.version_label:
                labels = self.labels.get(spec.name, {})
                if spec.version_label not in labels:
                    said = f"Unrecognized servable version label: {spec.version_label}"
                    raise Refusal(INVALID, said)
                version = labels[spec.version_label]
            elif spec.HasField("version"):
                version = spec.version.value
            else:
                version = max(loaded, default=None)
            if version not in loaded:
                raise Refusal(MISSING, f"Servable not found for request: {spec.name}, {version}")
            return version, loaded[version]

    def states(self, name):
        """A ModelVersionStatus of each version, the newest first."""
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
            failed = INVALID, f"Warm-up requests that cannot be read: {error}"
        else:
            with self.lock:
                self.loaded[name][version] = loaded
            return
        with self.lock:
            self.failed[name][version] = failed
