"""The `models.config` beside the models: which of them a server serves, and which versions."""

import contextlib
import os
import re
import sys
from pathlib import Path

FILE = "models.config"


def model_directory(directory):
    """The resolved `Path` of a model's directory; refuses what is none."""
    place = Path(directory).resolve()
    if not place.is_dir() or re.fullmatch("[0-9]+", place.name) or not versions(place):
        raise ValueError(
            "Expected `directory` to be a model's, with its versions inside, as saved_models/name. "
            f"Received: directory={str(directory)!r}"
        )
    return place


def versions(directory):
    """{number: path} of a model's versions, the oldest first."""
    found = [path for path in directory.iterdir() if re.fullmatch("[0-9]+", path.name)]
    found = {int(path.name): path for path in found if (path / "saved_model.pb").is_file()}
    return dict(sorted(found.items()))


@contextlib.contextmanager
def alone(directory):
    """Waits until no other process is in here for this directory.

    The lock is on the directory itself and leaves no file; it ends with the process that has it.
    On a network file system it may hold for the processes of one host only.

    Raises:
        NotImplementedError: On Windows.
    """
    try:
        import fcntl
    except ImportError as error:
        raise NotImplementedError(
            "Expected a system with fcntl.flock (Linux, macOS), to lock the models' directory. "
            f"Received: {sys.platform}"
        ) from error

    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def read(directory):
    """The ModelServerConfig of a directory of models; an empty one where it has no file."""
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    config, file = model_server_config_pb2.ModelServerConfig(), directory / FILE
    try:
        return text_format.Parse(file.read_text(encoding="utf-8") if file.exists() else "", config)
    except text_format.ParseError as error:
        raise ValueError(f"Expected a server's configuration. Received: {file}, {error}") from error


def entry(config, name):
    """The ModelConfig of a model; a new one, under /models as in the server's image, if need be."""
    models = config.model_config_list.config
    for model in models:
        if model.name == name:
            return model
    return models.add(name=name, base_path=f"/models/{name}", model_platform="tensorflow")


def served(entry, versions):
    """The numbers, of all versions from the oldest, that a model's policy has a server load."""
    policy = entry.model_version_policy
    if policy.HasField("all"):
        return list(versions)
    if policy.HasField("specific"):
        return list(policy.specific.versions)
    return list(versions)[-(policy.latest.num_versions or 1) :]  # 0 is the server's default, 1


def write(directory, config):
    """Replaces the file at once, under `alone`; comments at its head stay."""
    from google.protobuf import text_format

    file, new = directory / FILE, directory / f".{FILE}.new"
    head = re.match(r"(#.*\n)*", file.read_text(encoding="utf-8") if file.exists() else "")[0]
    with new.open("w", encoding="utf-8") as opened:
        opened.write(head + text_format.MessageToString(config))
        opened.flush()
        os.fsync(opened.fileno())  # or a power cut may leave an empty file under the new name
    os.replace(new, file)
