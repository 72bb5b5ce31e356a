"""Operations beyond TensorFlow's own that a server may run: those of TF Text, TF-DF and XLA."""

import functools
from collections.abc import Iterable
from types import ModuleType

from keras_attention.export.checks.c_loader.op_libraries import OP_LIBRARIES, find_library_files

XLA_FLAG = "--xla_cpu_compilation_enabled"


def is_xla_operation(operation: str) -> bool:
    """Return True if an operation is compiled by XLA, as `XlaDynamicUpdateSlice` is."""
    import tensorflow as tf

    return operation.startswith("Xla") and not hasattr(tf.raw_ops, operation)


def find_unknown_operations(operations: Iterable[str]) -> list[str]:
    """Return the operations that neither TensorFlow nor an installed library defines."""
    import tensorflow as tf

    additional = {op for op in operations if not (hasattr(tf.raw_ops, op) or is_xla_operation(op))}
    libraries = find_libraries(additional)
    return sorted(additional - {op for defined in libraries.values() for op in defined})


def find_libraries(operations: Iterable[str]) -> dict[str, list[str]]:
    """Return, by the name of each installed library, those of the operations that it defines."""
    import tensorflow as tf

    additional = sorted(op for op in operations if not hasattr(tf.raw_ops, op))
    libraries = {}
    for library, module in _load_libraries() if additional else ():
        defined = [op for op in additional if hasattr(module, op)]
        if defined:
            libraries.setdefault(library, []).extend(defined)
    return libraries


def describe_xla(operations: Iterable[str]) -> str:
    """Describe what to do about operations and functions that only XLA can run."""
    return (
        "Expected no function with jit_compile=True and no operation of XLA, because a server "
        f"without {XLA_FLAG} loads them and then fails at every request. Use the function without "
        "jit_compile, and keras.ops.where instead of keras.ops.slice_update, which gives "
        "XlaDynamicUpdateSlice; or call saved_model(..., xla=True), and start the server with the "
        f"flag. Received: {sorted(operations)}"
    )


def describe_unknown(operations: Iterable[str]) -> str:
    """Describe operations that a server does not have."""
    packages = " or ".join(library.package for library in OP_LIBRARIES)
    return (
        "Expected only built-in TensorFlow operations, or those of TF Text and TF-DF, which "
        f"tensorflow/serving includes; install {packages} if they are theirs. "
        f"Received: {sorted(operations)}"
    )


@functools.cache
def _load_libraries() -> list[tuple[str, ModuleType]]:
    """Load the installed libraries and return pairs (name, module of operations)."""
    import tensorflow as tf

    libraries = []
    for library, file in find_library_files():
        try:
            libraries.append((library.name, tf.load_op_library(str(file))))
        except (RuntimeError, tf.errors.OpError):  # for another version of TensorFlow
            continue
    return libraries
