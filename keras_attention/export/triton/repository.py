"""Write a SavedModel into a model repository of NVIDIA's Triton Inference Server."""

import contextlib
import os
import shutil
from pathlib import Path

from keras_attention import arguments
from keras_attention.export.checks import c_loader
from keras_attention.export.checks.graph import load_meta_graph
from keras_attention.export.checks.reachable import list_signatures
from keras_attention.export.checks.report import find_version
from keras_attention.export.triton import model
from keras_attention.export.triton.config import format_config
from keras_attention.paths import resolve_parents, to_local_path

CONFIG = "config.pbtxt"


def triton(
    path: str | os.PathLike,
    repository: str | os.PathLike,
    max_batch_size: int = 64,
    max_delay: int = 1000,
    tensorflow: str = "",
) -> list[Path]:
    """Write a version of an export into a model repository of NVIDIA's Triton Inference Server.

    Each signature becomes a Triton model `name_signature`, for Triton's Python backend, with the
    version's number: `repository/name_signature/1/`. A server in poll mode
    (`--model-control-mode=poll`) loads a version that is added while it runs. The SavedModel is
    executed by TensorFlow's C++ code, as in TensorFlow Serving. The repository is complete: it
    holds the SavedModel (by hard links where the file system has them, which take no space) and
    the modules that load it. The Python of the backend needs the packages `tensorflow`, `ml_dtypes`
    and `numpy`; the first requires the others. Operations of XLA run without a flag.

    Triton joins requests whose shapes are equal, if all inputs and outputs of the signature have an
    unknown first size. If a joined request is refused, its requests are answered one by one, so
    that an invalid one does not affect the others. `docs/deployment.md` has the server's command.

    Args:
        path: A version directory that `keras_attention.export.saved_model` wrote, or a model
            directory, of which the version with the highest number is taken.
        repository: The directory of all Triton models. It is created if it does not exist.
        max_batch_size: Maximum number of rows in a joined request. Triton refuses requests of more
            rows. 0 for requests that are not joined. Default 64.
        max_delay: Microseconds for which a request may wait to be joined with others. Default 1000.
        tensorflow: The folder of the package tensorflow on the server. Default "": the one that
            the backend's Python imports.

    Returns:
        List of the Triton models' directories.

    Raises:
        ValueError: If there is no SavedModel, if a Triton model has this version already, or if
            a tensor has a dtype that Triton does not have (bfloat16, complex numbers) or an unknown
            rank.

    Example:
    >>> import tempfile
    >>> model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Rescaling(3.0)])
    >>> path = keras_attention.export.saved_model(model, tempfile.mkdtemp() + "/triple")
    >>> (directory,) = keras_attention.export.triton(path, tempfile.mkdtemp())
    >>> directory.name, sorted(file.name for file in directory.iterdir())
    ('triple_serving_default', ['1', 'config.pbtxt'])
    """
    path = resolve_parents(find_version(path), names=2)
    repository = to_local_path("repository", repository)
    max_batch_size = arguments.nonnegative_integer("max_batch_size", max_batch_size)
    max_delay = arguments.nonnegative_integer("max_delay", max_delay)
    if not path.name.isdecimal():
        raise ValueError(
            "Expected `path` to be a version directory, whose name is a number. "
            f"Received: path={str(path)!r}"
        )
    signatures = {
        f"{path.parent.name}_{name}": (name, signature)
        for name, signature in list_signatures(load_meta_graph(path)).items()
    }
    present = [name for name in signatures if (repository / name / path.name).exists()]
    if present:
        raise ValueError(
            "Expected a version that is not in the repository yet. Remove its directories to "
            f"replace it. Received: version {path.name} of {present}"
        )
    configs = {
        name: format_config(
            name,
            signature,
            {"signature": signature_name, "tensorflow": tensorflow},
            max_batch_size,
            max_delay,
        )
        for name, (signature_name, signature) in signatures.items()
    }
    directories = [repository / name for name in configs]
    # Triton ignores these folders, because their names are no numbers.
    folders = [directory / f".{path.name}" for directory in directories]
    try:
        for folder, config in zip(folders, configs.values(), strict=True):
            _write_version(folder, config, path)
    except BaseException:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
            with contextlib.suppress(OSError):  # It holds other versions, or does not exist.
                folder.parent.rmdir()
        raise
    for (
        folder
    ) in folders:  # Versions appear by renaming, when those of all signatures are complete.
        _publish(folder, folder.parent / path.name)
    return directories


def _write_version(temporary: Path, config: str, path: Path) -> None:
    """Write the files of a version of a Triton model, and the model's new configuration."""
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    shutil.copytree(path, temporary / "saved_model", copy_function=_link_or_copy)
    shutil.copy(model.__file__, temporary)
    modules = Path(c_loader.__file__).parent
    shutil.copytree(modules, temporary / "c_loader", ignore=shutil.ignore_patterns("__*__*"))
    (temporary / CONFIG).write_text(config, encoding="utf-8")


def _publish(temporary: Path, version: Path) -> None:
    """Move the configuration to the folder of the model, and give the version its name."""
    new, file = temporary / CONFIG, version.parent / CONFIG
    # A running server reloads all versions of a model whose configuration was written.
    if file.exists() and file.read_bytes() == new.read_bytes():
        new.unlink()
    else:
        os.replace(new, file)
    os.rename(temporary, version)


def _link_or_copy(source: str, target: str) -> None:
    """Make a hard link, or a copy where that is impossible, such as on another file system."""
    try:
        os.link(os.path.realpath(source), target)
    except OSError:
        shutil.copy2(source, target)
