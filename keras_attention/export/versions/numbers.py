"""The numbers that a server reads from the names of version directories."""

import re

MAX_VERSION = 2**63 - 1  # TensorFlow Serving stores a version as int64.


def parse_version(name: str) -> int | None:
    """Return the version that a directory's name stands for; None if a server ignores it."""
    number = int(name) if re.fullmatch("[0-9]+", name) else None
    return None if number is None or number > MAX_VERSION else number
