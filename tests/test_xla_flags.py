"""The XLA flags with which the tests compile, by the backend and the installed versions."""

import importlib.metadata

import pytest

from tests.xla_flags import OPTIMIZATION_LEVEL, OTHER_FLAGS, compile_fast


@pytest.mark.parametrize(
    ("backend", "versions", "has_other_flags"),
    [
        ("tensorflow", {"tensorflow": "2.21.0", "jax": "0.11.0"}, True),
        ("jax", {"tensorflow": "2.21.0", "jax": "0.11.0"}, False),
        ("torch", {"tensorflow": "2.21.0", "jax": "0.10.2"}, False),
        ("tensorflow", {}, False),
        # Without KERAS_BACKEND, the backend can be either.
        (None, {"tensorflow": "2.21.0", "jax": "0.10.2"}, True),
        (None, {"tensorflow": "2.21.0"}, True),
        (None, {"tensorflow": "2.21.0", "jax": "0.11.0"}, False),
        (None, {"tensorflow": "2.2.0", "jax": "0.10.2"}, False),
        (None, {}, False),
    ],
)
def test_only_a_tested_release_gets_all_flags(monkeypatch, backend, versions, has_other_flags):
    def find_version(name):
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(importlib.metadata, "version", find_version)
    environment = {} if backend is None else {"KERAS_BACKEND": backend}
    monkeypatch.setattr("os.environ", environment)
    compile_fast()
    flags = f"{OPTIMIZATION_LEVEL} {OTHER_FLAGS}" if has_other_flags else OPTIMIZATION_LEVEL
    assert environment["XLA_FLAGS"] == flags
