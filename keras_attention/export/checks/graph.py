"""Reads a SavedModel's graph; refuses one that TensorFlow Serving loads and then cannot run."""

from pathlib import Path

PYTHON_OPS = frozenset(["PyFunc", "PyFuncStateless", "EagerPyFunc", "NumpyFunction"])
KEEPING_OPS = frozenset(
    ["AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp"]
    # of tf.random.Generator, whose state is a variable
    + ["RngReadAndSkip", "RngSkip", "StatefulUniform", "StatefulUniformInt"]
    + ["StatefulUniformFullInt", "StatefulStandardNormal", "StatefulStandardNormalV2"]
    + ["StatefulTruncatedNormal", "StatefulRandomBinomial"]
)
DRAWING_OPS = frozenset(
    ["RandomUniform", "RandomUniformInt", "RandomStandardNormal", "TruncatedNormal", "Multinomial"]
    + ["ParameterizedTruncatedNormal", "RandomGamma", "RandomPoisson", "RandomPoissonV2"]
    + ["RandomShuffle", "NonDeterministicInts"]
)


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
    for problem in problems(read(path)):
        raise ValueError(problem)


def problems(meta):
    """Yields what of the signatures a stock server cannot run, in words."""
    import tensorflow as tf

    found, functions = _in_signatures(meta)
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
    # A graph is loaded with all its nodes; functions that nobody calls are not looked into.
    loaded = {node.op for node in (*meta.graph_def.node, *found)}
    unknown = {op for op in loaded if not op.startswith("_")} - own
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
    operations = {node.op for node in _in_signatures(meta)[0]}
    if operations & KEEPING_OPS:
        yield "keeps something from one request to the next, whoever sends them: a variable"
    if operations & DRAWING_OPS:
        yield f"answers the same request differently: it draws, {sorted(operations & DRAWING_OPS)}"


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
    """`(nodes, functions)` that a signature's request runs: its own, and all that these call."""
    top = {node.name: node for node in meta.graph_def.node}
    wanted = [info.name for each in meta.signature_def.values() for info in each.outputs.values()]
    found = {}
    while wanted:
        name = wanted.pop().lstrip("^").split(":")[0]
        if name in top and name not in found:
            found[name] = top[name]
            wanted.extend(top[name].input)
    functions = {each.signature.name: each for each in meta.graph_def.library.function}
    waiting, nodes, called = [*found.values()], [], {}
    while waiting:
        node = waiting.pop()
        nodes.append(node)
        names = {node.op}
        for each in node.attr.values():
            names |= {each.func.name, *(one.name for one in each.list.func)}
        for name in names & functions.keys() - called.keys():
            called[name] = functions[name]
            waiting.extend(functions[name].node_def)
    return nodes, [*called.values()]
