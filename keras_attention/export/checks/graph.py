"""Search a SavedModel's graph for operations that TensorFlow Serving loads but cannot run."""

import os
from collections.abc import Iterator
from pathlib import Path

from keras_attention.export.checks.reachable import (
    collect_reachable,
    list_initializers,
    list_output_tensors,
    list_signatures,
)
from keras_attention.export.checks.server_operations import (
    describe_unknown,
    describe_xla,
    find_libraries,
    find_unknown_operations,
    is_xla_operation,
)

PYTHON_OPS = frozenset(["PyFunc", "PyFuncStateless", "EagerPyFunc", "NumpyFunction"])
STATE_CHANGING_OPS = frozenset(
    ["AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp"]
    # The following belong to tf.random.Generator, whose state is a variable.
    + ["RngReadAndSkip", "RngSkip", "StatefulUniform", "StatefulUniformInt"]
    + ["StatefulUniformFullInt", "StatefulStandardNormal", "StatefulStandardNormalV2"]
    + ["StatefulTruncatedNormal", "StatefulRandomBinomial"]
    # Mutable lookup tables and queues.
    + ["LookupTableInsert", "LookupTableInsertV2", "LookupTableRemoveV2", "LookupTableImportV2"]
    + ["QueueEnqueueV2", "QueueEnqueueManyV2"]
    # Parts of a variable, and variables of TensorFlow 1.
    + ["ResourceScatterUpdate", "ResourceScatterAdd", "ResourceScatterSub", "ResourceScatterMax"]
    + ["ResourceScatterMin", "ResourceScatterNdUpdate", "ResourceScatterNdAdd"]
    + ["ResourceStridedSliceAssign", "Assign", "AssignAdd", "AssignSub", "ScatterUpdate"]
)
UNSEEDED_SAMPLING_OPS = frozenset(
    ["RandomUniform", "RandomUniformInt", "RandomStandardNormal", "TruncatedNormal", "Multinomial"]
    + ["ParameterizedTruncatedNormal", "RandomGamma", "RandomPoisson", "RandomPoissonV2"]
    + ["RandomShuffle", "NonDeterministicInts"]
)


def load_meta_graph(path: str | os.PathLike):
    """Load the MetaGraphDef that a server loads: the one whose only tag is `serve`.

    Args:
        path: The version directory, which holds `saved_model.pb`.

    Raises:
        ValueError: If the file is truncated or damaged, or holds no such graph.
    """
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    file = Path(path) / "saved_model.pb"
    try:
        meta_graphs = saved_model_pb2.SavedModel.FromString(file.read_bytes()).meta_graphs
    except DecodeError as error:
        raise ValueError(
            f"Expected a SavedModel's graph. Received: {file}, which is damaged"
        ) from error
    for meta in meta_graphs:
        if set(meta.meta_info_def.tags) == {"serve"}:
            return meta
    raise ValueError(
        "Expected a graph with the tag 'serve' alone, which a server loads. Received: "
        f"{file} with the tags {[sorted(meta.meta_info_def.tags) for meta in meta_graphs]}"
    )


def check_graph(path: str | os.PathLike, xla: bool = False) -> None:
    """Raise ValueError if the graph holds anything that a stock server cannot run.

    Args:
        path: The version directory, which holds `saved_model.pb`.
        xla: Whether the server is started with XLA. Default False.
    """
    for problem in find_graph_problems(load_meta_graph(path), xla):
        raise ValueError(problem)


def find_graph_problems(meta, xla: bool = False) -> Iterator[str]:
    """Yield a description of each part of the signatures that a stock server cannot run."""
    nodes, functions = _collect_run_by_server(meta)
    compiled = find_xla(nodes, functions)
    if compiled and not xla:
        yield describe_xla(compiled)
    python = sorted(f"{node.name} ({node.op})" for node in nodes if node.op in PYTHON_OPS)
    if python:
        yield (
            "Expected no tf.py_function or tf.numpy_function, because a server has no Python. "
            f"Received: {python}"
        )
    defined_here = {function.signature.name for function in functions}
    # A server loads all nodes of the graph, but it does not inspect functions that no node calls.
    loaded = {node.op for node in (*meta.graph_def.node, *nodes)}
    operations = {op for op in loaded if not op.startswith("_")} - defined_here
    unknown = find_unknown_operations(operations)
    if unknown:
        yield describe_unknown(unknown)


def find_graph_remarks(meta) -> Iterator[str]:
    """Yield a remark for each behavior that is no problem, but that clients may not expect."""
    from tensorflow.core.framework import types_pb2

    not_in_json = {
        **{types_pb2.DT_HALF: "float16", types_pb2.DT_BFLOAT16: "bfloat16"},
        **{types_pb2.DT_COMPLEX64: "complex64", types_pb2.DT_COMPLEX128: "complex128"},
    }
    for name, signature in list_signatures(meta).items():
        for kind, infos in (("input", signature.inputs), ("output", signature.outputs)):
            for key, info in sorted(infos.items()):
                if info.dtype in not_in_json:
                    dtype = not_in_json[info.dtype]
                    yield f"not for REST, because JSON has no {dtype}: {name}, {kind} {key}"
    operations = {node.op for node in collect_reachable(meta, list_output_tensors(meta))[0]}
    changing = sorted(operations & STATE_CHANGING_OPS)
    if changing:
        yield (
            "keeps state between requests, including those of other clients, in a variable or a "
            f"table: it runs {changing}"
        )
    sampling = sorted(operations & UNSEEDED_SAMPLING_OPS)
    if sampling:
        yield f"gives different answers to the same request: it samples with {sampling}"
    for library, defined in find_libraries(node.op for node in list_nodes(meta.graph_def)).items():
        yield f"needs {library}, which tensorflow/serving includes, for the operations {defined}"


def needs_xla(meta) -> bool:
    """Return True if a server must be started with XLA to run the signatures."""
    return bool(find_xla(*_collect_run_by_server(meta)))


def find_xla(nodes: list, functions: list) -> list[str]:
    """Return the names of operations and functions that only XLA can run."""
    operations = {node.op for node in nodes if is_xla_operation(node.op)}
    names = {node.name for node in nodes if _needs_xla(node)}
    return sorted(operations | names | {one.signature.name for one in functions if _needs_xla(one)})


def has_variables(graph) -> bool:
    """Return True if a GraphDef needs weights."""
    return any(node.op == "VarHandleOp" for node in list_nodes(graph))


def list_nodes(graph) -> list:
    """Return all nodes of a GraphDef, including those inside functions."""
    return [*graph.node, *(node for inner in graph.library.function for node in inner.node_def)]


def _collect_run_by_server(meta) -> tuple[list, list]:
    """Return the nodes and functions that a server runs when it loads or answers."""
    return collect_reachable(meta, [*list_output_tensors(meta), *list_initializers(meta)])


def _needs_xla(node_or_function) -> bool:
    """Return True if the node or function must be compiled by XLA."""
    return "_XlaMustCompile" in node_or_function.attr and node_or_function.attr["_XlaMustCompile"].b
