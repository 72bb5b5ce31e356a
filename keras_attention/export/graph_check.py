"""Reads a SavedModel's graph; refuses one that TensorFlow Serving loads and then cannot run."""

from pathlib import Path

PYTHON_OPS = frozenset(["PyFunc", "PyFuncStateless", "EagerPyFunc", "NumpyFunction"])


def read(path):
    """The SavedModel proto of a version directory; a SavedModel holds one MetaGraphDef."""
    from tensorflow.core.protobuf import saved_model_pb2

    content = (Path(path) / "saved_model.pb").read_bytes()
    return saved_model_pb2.SavedModel.FromString(content).meta_graphs[0]


def check(path):
    """Raises ValueError if the graph must be compiled with XLA or calls Python.

    Args:
        path: A version directory, with `saved_model.pb` in it.
    """
    graph = read(path).graph_def
    functions, nodes = graph.library.function, _nodes(graph)
    compiled = sorted(
        [node.name for node in nodes if _must_compile(node)]
        + [function.signature.name for function in functions if _must_compile(function)]
    )
    if compiled:
        raise ValueError(
            "Expected no function with jit_compile=True: a server without XLA loads it and then "
            "fails at every request. Use the function without jit_compile in the signature. "
            f"Received: {compiled}"
        )
    python = sorted(f"{node.name} ({node.op})" for node in nodes if node.op in PYTHON_OPS)
    if python:
        raise ValueError(
            "Expected TensorFlow operations only, no tf.py_function or tf.numpy_function: a "
            f"server has no Python. Received: {python}"
        )


def computes_in_half(path):
    """Whether anything in the graph is float16 or bfloat16."""
    from tensorflow.core.framework import types_pb2

    half = (types_pb2.DT_HALF, types_pb2.DT_BFLOAT16)
    attributes = (each for node in _nodes(read(path).graph_def) for each in node.attr.values())
    return any(each.type in half for each in attributes)


def _nodes(graph):
    """All nodes, those inside functions too."""
    return [*graph.node, *(node for inner in graph.library.function for node in inner.node_def)]


def _must_compile(node_or_function):
    """Whether XLA is demanded for it."""
    return "_XlaMustCompile" in node_or_function.attr and node_or_function.attr["_XlaMustCompile"].b
