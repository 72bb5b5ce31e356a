"""Reads a SavedModel's graph; refuses one that TensorFlow Serving loads and then cannot run."""

from pathlib import Path

PYTHON_OPS = frozenset(["PyFunc", "PyFuncStateless", "EagerPyFunc", "NumpyFunction"])
ASSIGNING_OPS = frozenset(["AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp"])


def read(path):
    """The SavedModel proto of a version directory; a SavedModel holds one MetaGraphDef.

    Raises:
        ValueError: If the file is not whole.
    """
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    file = Path(path) / "saved_model.pb"
    try:
        return saved_model_pb2.SavedModel.FromString(file.read_bytes()).meta_graphs[0]
    except (DecodeError, IndexError) as error:
        raise ValueError(f"Expected a SavedModel's graph. Received: {file}, not whole") from error


def check(path):
    """Raises ValueError if there is anything in the graph that a stock server cannot run.

    Args:
        path: A version directory, with `saved_model.pb` in it.
    """
    for problem in problems(read(path).graph_def):
        raise ValueError(problem)


def problems(graph):
    """Yields what a stock server cannot run, in words."""
    import tensorflow as tf

    functions, found = graph.library.function, nodes(graph)
    compiled = sorted(
        [node.name for node in found if _must_compile(node)]
        + [function.signature.name for function in functions if _must_compile(function)]
    )
    if compiled:
        yield (
            "Expected no function with jit_compile=True: a server without XLA loads it and then "
            "fails at every request. Use the function without jit_compile in the signature. "
            f"Received: {compiled}"
        )
    python = sorted(f"{node.name} ({node.op})" for node in found if node.op in PYTHON_OPS)
    if python:
        yield (
            "Expected TensorFlow operations only, no tf.py_function or tf.numpy_function: a "
            f"server has no Python. Received: {python}"
        )
    own = {function.signature.name for function in functions}
    unknown = {node.op for node in found if not node.op.startswith("_")} - own
    unknown = sorted(op for op in unknown if not hasattr(tf.raw_ops, op))
    if unknown:
        yield f"Expected TensorFlow's own operations, which a server has. Received: {unknown}"


def remarks(meta):
    """Yields what runs, but not as a client may expect, in words."""
    from tensorflow.core.framework import types_pb2

    half = {types_pb2.DT_HALF: "float16", types_pb2.DT_BFLOAT16: "bfloat16"}
    for name, signature in sorted(meta.signature_def.items()):
        for kind, infos in (("input", signature.inputs), ("output", signature.outputs)):
            for key, info in sorted(infos.items()):
                if info.dtype in half:
                    dtype = half[info.dtype]
                    yield f"not for REST, whose JSON has no {dtype}: {name}, {kind} {key}"
    if any(node.op in ASSIGNING_OPS for node in _in_signatures(meta)):
        yield "keeps something from one request to the next, whoever sends them: a variable"


def computes_in_half(path):
    """Whether anything in the graph is float16 or bfloat16."""
    from tensorflow.core.framework import types_pb2

    half = (types_pb2.DT_HALF, types_pb2.DT_BFLOAT16)
    attributes = (each for node in nodes(read(path).graph_def) for each in node.attr.values())
    return any(each.type in half for each in attributes)


def has_variables(graph):
    """Whether the graph needs weights."""
    return any(node.op == "VarHandleOp" for node in nodes(graph))


def nodes(graph):
    """All nodes, those inside functions too."""
    return [*graph.node, *(node for inner in graph.library.function for node in inner.node_def)]


def _must_compile(node_or_function):
    """Whether XLA is demanded for it."""
    return "_XlaMustCompile" in node_or_function.attr and node_or_function.attr["_XlaMustCompile"].b


def _in_signatures(meta):
    """The nodes that a signature's request runs: of its function, and of all that this calls."""
    functions = {each.signature.name: each for each in meta.graph_def.library.function}
    starts = {node.name: node for node in meta.graph_def.node}
    waiting = [
        starts[info.name.split(":")[0]]
        for signature in meta.signature_def.values()
        for info in signature.outputs.values()
        if info.name.split(":")[0] in starts
    ]
    seen = set()
    while waiting:
        node = waiting.pop()
        yield node
        for each in node.attr.values():
            called = [each.func.name, *(one.name for one in each.list.func)]
            for name in {*called} & functions.keys() - seen:
                seen.add(name)
                waiting.extend(functions[name].node_def)
