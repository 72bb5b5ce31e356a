"""Convert the paths that users pass to local paths."""

import os
import re
from pathlib import Path
from typing import Any

# A scheme has at least two letters, because `C:/models` is on a Windows drive. It may be followed
# by a single slash, because `Path` merges two slashes.
REMOTE_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


def resolve_parents(path: Path, names: int) -> Path:
    """Return the absolute path; its last names are kept even if they are symbolic links.

    Args:
        path: The path.
        names: How many names are kept: 1 for a model's directory, and 2 for a version's, whose
            names are those of the served model and version.
    """
    if names == 0 or path.name in ("", ".."):  # `.` has no name before it is resolved.
        return path.resolve()
    return resolve_parents(path.parent, names - 1) / path.name


def to_local_path(name: str, value: Any) -> Path:
    """Return `value` as a `Path`, with a leading `~` expanded; reject URLs.

    Args:
        name: The argument's name, for errors.
        value: A string or `os.PathLike`.

    Raises:
        ValueError: If it is neither, or if it is a URL: `Path` would interpret `s3://bucket/name`
            as a local folder `s3:`.
    """
    if not isinstance(value, str | os.PathLike) or not isinstance(os.fspath(value), str):
        raise ValueError(f"Expected `{name}` to be a path. Received: {name}={value!r}")
    text = os.fspath(value)
    if text.startswith("file:/"):
        raise ValueError(
            f"Expected `{name}` to be a path, not a URL: leave out `file://`. "
            f"Received: {name}={text!r}"
        )
    if REMOTE_ADDRESS.match(text):
        raise ValueError(
            f"Expected `{name}` to be a local path. Addresses of object stores are not supported: "
            "export to a local folder and copy the version there, or copy it to a local folder "
            f"first. Received: {name}={text!r}"
        )
    return Path(os.path.expanduser(text))
