"""Variables and tables of a SavedModel whose values reach given tensors."""

from collections.abc import Iterable, Mapping
from typing import Any

CALLS = frozenset(["PartitionedCall", "StatefulPartitionedCall"])


def collect_data_nodes(meta: Any, tensors: Iterable[str]) -> set[str]:
    """Return the names of the nodes outside of functions whose results tensors depend on.

    Unlike `collect_top_level`, this leaves out what merely runs with the tensors, such as the
    state of a generator whose numbers are not used.

    Args:
        meta: MetaGraphDef.
        tensors: Names of tensors of its graph.
    """
    functions = {one.signature.name: one for one in meta.graph_def.library.function}
    return _collect(meta.graph_def.node, tensors, functions, {})


def _collect(
    nodes: Iterable,
    tensors: Iterable[str],
    functions: Mapping[str, Any],
    used_inputs: dict[str, set[int]],
) -> set[str]:
    """Return the names of the nodes and of the function's arguments that tensors depend on.

    Args:
        nodes: NodeDefs of the graph or of a function.
        tensors: Names of tensors.
        functions: FunctionDefs by name.
        used_inputs: Positions of the inputs on which the outputs of a function depend, by the
            function's name; further functions are added.
    """
    by_name, names, reached = {node.name: node for node in nodes}, list(tensors), set()
    while names:
        name = names.pop().split(":")[0]
        if name in reached:
            continue
        reached.add(name)
        node = by_name.get(name)  # None for an argument of a function
        inputs = [] if node is None else [x for x in node.input if not x.startswith("^")]
        if node is not None and node.op in CALLS:
            used = _find_used_inputs(node.attr["f"].func.name, functions, used_inputs)
            inputs = [x for position, x in enumerate(inputs) if position in used]
        names.extend(inputs)
    return reached


def _find_used_inputs(
    name: str, functions: Mapping[str, Any], used_inputs: dict[str, set[int]]
) -> set[int]:
    """Return the positions of the inputs on which the outputs of a function depend."""
    if name not in used_inputs:
        function = functions[name]
        used_inputs[name] = set()  # Functions do not call themselves.
        results = function.ret.values()
        reached = _collect(function.node_def, results, functions, used_inputs)
        arguments = enumerate(function.signature.input_arg)
        used_inputs[name] = {position for position, one in arguments if one.name in reached}
    return used_inputs[name]
