"""Read and write `models.config`, the list of models and versions that a server loads."""

import contextlib
import glob
import os
import re
import stat
import sys
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from keras_attention.export.versions.numbers import parse_version
from keras_attention.paths import resolve_parents, to_local_path

FILE = "models.config"


def resolve_model_directory(directory: str | os.PathLike) -> Path:
    """Return the absolute path of a model's directory.

    The directory itself may be a symbolic link: its name, and not its target's, is the model's
    name, and `models.config` is beside the link.

    Args:
        directory: The directory of the model's versions.

    Raises:
        ValueError: If the directory holds no versions, or is itself a version's directory.
    """
    path = resolve_parents(to_local_path("directory", directory), names=1)
    is_version = re.fullmatch("[0-9]+", path.name) is not None
    if not path.is_dir() or is_version or not find_versions(path):
        raise ValueError(
            "Expected `directory` to be one model's directory that contains numbered versions, "
            "such as saved_models/my_model, and not a version's directory. "
            f"Received: directory={str(directory)!r}"
        )
    return path


def find_versions(directory: Path) -> dict[int, Path]:
    """Return a model's versions as {number: path}, oldest first."""
    entries = [(parse_version(path.name), path) for path in directory.iterdir()]
    return dict(
        sorted(
            (number, path)
            for number, path in entries
            if number is not None and (path / "saved_model.pb").is_file()
        )
    )


@contextlib.contextmanager
def exclusive_lock(directory: Path) -> Iterator[None]:
    """Hold an exclusive lock on the directory; wait until other processes have released theirs.

    The lock needs no lock file, and the operating system releases it if the process ends. On a
    network file system it may exclude only processes of the same host.

    Args:
        directory: The directory of models.

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


def load_config(directory: Path):
    """Load the ModelServerConfig beside the models; return an empty one if there is no file."""
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    config, file = model_server_config_pb2.ModelServerConfig(), directory / FILE
    try:
        return text_format.Parse(file.read_text(encoding="utf-8") if file.exists() else "", config)
    except text_format.ParseError as error:
        raise ValueError(f"Expected a server's configuration. Received: {file}, {error}") from error


def get_or_add_entry(config, name: str):
    """Return a model's ModelConfig; if there is none, add one.

    The base path of a new entry is /models/NAME, as in TensorFlow Serving's Docker image.
    """
    models = config.model_config_list.config
    for model in models:
        if model.name == name:
            return model
    return models.add(name=name, base_path=f"/models/{name}", model_platform="tensorflow")


def list_served_versions(entry, versions: Iterable[int]) -> list[int]:
    """Return the versions that a server loads according to a ModelConfig's version policy.

    Args:
        entry: ModelConfig of the model.
        versions: Numbers of all versions, oldest first.
    """
    policy = entry.model_version_policy
    if policy.HasField("all"):
        return list(versions)
    if policy.HasField("specific"):
        return list(policy.specific.versions)
    return list(versions)[-(policy.latest.num_versions or 1) :]  # An unset number means 1.


def write_config(directory: Path, config) -> None:
    """Replace `models.config` atomically, keeping its mode and owner, and the comments at its top.

    If it is a symbolic link, the file to which it leads is replaced. Other comments are lost,
    because the format's parser drops them. The caller must hold `exclusive_lock`.

    Args:
        directory: The directory of models.
        config: ModelServerConfig.

    Raises:
        PermissionError: If the file belongs to somebody else, and this process may not give its
            replacement to the same owner.
    """
    from google.protobuf import text_format

    file = (directory / FILE).resolve()
    has_file = file.exists()
    text = file.read_text(encoding="utf-8") if has_file else ""
    comments = re.match(r"([ \t]*(#.*)?\n)*", text)[0]
    # The lock shows that nobody else writes this file now.
    for abandoned in file.parent.glob(f".{glob.escape(file.name)}.*.new"):
        abandoned.unlink()
    # The name cannot be guessed, and "x" fails if it exists: a link planted there is not followed.
    new = file.with_name(f".{file.name}.{uuid.uuid4().hex}.new")
    try:
        with new.open("x", encoding="utf-8") as stream:
            if has_file:
                _copy_mode_and_owner(file, stream.fileno())
            stream.write(comments + text_format.MessageToString(config))
            stream.flush()
            os.fsync(stream.fileno())  # Otherwise a power failure may leave an empty file.
        os.replace(new, file)
    finally:
        new.unlink(missing_ok=True)


def _copy_mode_and_owner(file: Path, descriptor: int) -> None:
    """Give an open file the mode and the owner of another one."""
    expected, current = file.stat(), os.fstat(descriptor)
    if (expected.st_uid, expected.st_gid) != (current.st_uid, current.st_gid):
        os.fchown(descriptor, expected.st_uid, expected.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(expected.st_mode))
