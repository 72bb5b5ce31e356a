"""Select the signatures of a SavedModel that are for clients."""

from collections.abc import Mapping
from typing import TypeVar

SignatureDef = TypeVar("SignatureDef")


def select_for_clients(signatures: Mapping[str, SignatureDef]) -> dict[str, SignatureDef]:
    """Return the signatures that clients can call, sorted by name.

    TensorFlow stores the initialization as signatures too; their names begin with `__`.

    Args:
        signatures: Dict of name to SignatureDef.
    """
    return {name: signatures[name] for name in sorted(signatures) if not name.startswith("__")}
