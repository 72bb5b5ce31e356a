"""Nodes and functions of a SavedModel's graph that a server runs when it loads or answers."""

from collections.abc import Iterable, Mapping

from keras_attention.export.checks.c_loader.signatures import select_for_clients

INIT_SIGNATURE = "__saved_model_init_op"
INIT_COLLECTIONS = ("saved_model_main_op", "legacy_init_op")  # of SavedModels by TensorFlow 1


def list_signatures(meta) -> dict:
    """Return the signatures that clients can call, sorted by name."""
    return select_for_clients(meta.signature_def)


def list_output_tensors(meta) -> list[str]:
    """Return the names of the tensors that a server computes for clients."""
    signatures = list_signatures(meta).values()
    return [info.name for signature in signatures for info in signature.outputs.values()]


def list_initializers(meta) -> list[str]:
    """Return the names of the operations that a server runs after it has restored the weights."""
    names = []
    if INIT_SIGNATURE in meta.signature_def:
        names += [info.name for info in meta.signature_def[INIT_SIGNATURE].outputs.values()]
    for key in INIT_COLLECTIONS:
        if key in meta.collection_def:
            names += meta.collection_def[key].node_list.value
    return names


def collect_reachable(meta, tensors: Iterable[str]) -> tuple[list, list]:
    """Return the nodes and the functions that tensors depend on.

    Args:
        meta: MetaGraphDef.
        tensors: Names of tensors or operations of its graph. Others are ignored.

    Returns:
        List of NodeDef, and list of FunctionDef. The nodes include those of the functions.
    """
    nodes = collect_top_level(meta, tensors).values()
    return collect_called(meta.graph_def.library.function, nodes)


def collect_top_level(meta, tensors: Iterable[str]) -> dict:
    """Return the NodeDefs outside of functions that tensors depend on, by name.

    Args:
        meta: MetaGraphDef.
        tensors: Names of tensors or operations of its graph. Others are ignored.
    """
    top_level = {node.name: node for node in meta.graph_def.node}
    names, reached = list(tensors), {}
    while names:
        name = names.pop().lstrip("^").split(":")[0]
        if name in top_level and name not in reached:
            reached[name] = top_level[name]
            names.extend(top_level[name].input)
    return reached


def collect_called(library: Iterable, nodes_of_graph: Iterable) -> tuple[list, list]:
    """Return nodes with those of all functions that they call, and these functions.

    Args:
        library: The FunctionDefs of the graph.
        nodes_of_graph: NodeDefs that belong to no function.

    Returns:
        List of NodeDef, and list of FunctionDef.
    """
    functions = {function.signature.name: function for function in library}
    unvisited, nodes, called = [*nodes_of_graph], [], {}
    while unvisited:
        node = unvisited.pop()
        nodes.append(node)
        for name in list_called(node, functions) - called.keys():
            called[name] = functions[name]
            unvisited.extend(functions[name].node_def)
    return nodes, [*called.values()]


def list_called(node, functions: Mapping) -> set[str]:
    """Return the names of those of the functions that a node calls."""
    references = {node.op}
    for attribute in node.attr.values():
        listed = [function.name for function in attribute.list.func]
        references |= {attribute.func.name, *listed}
    return references & functions.keys()
