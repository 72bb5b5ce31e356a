"""Find lookup tables that are filled from files other than the SavedModel's assets."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from keras_attention.export.checks.reachable import collect_top_level, list_called

TABLE_OPS = frozenset(["InitializeTableFromTextFile", "InitializeTableFromTextFileV2"])
CALL_OPS = frozenset(["PartitionedCall", "StatefulPartitionedCall"])
READ_OPS = frozenset(["ReadVariableOp", "VarIsInitializedOp"])
FILENAME = 1  # the index of this input of TABLE_OPS


def find_tables_of_other_files(meta, initializers: list[str]) -> Iterator:
    """Yield the nodes that fill a lookup table, unless they read an asset for certain.

    While a server initializes a SavedModel, it feeds the path of each asset to the tensor that
    `asset_file_def` names. A file name is therefore an asset if it comes from such a tensor, also
    through a variable that nothing else changes, and through arguments of functions.

    Args:
        meta: MetaGraphDef.
        initializers: Names of the operations that a server runs to initialize the SavedModel.
    """
    functions = {function.signature.name: function for function in meta.graph_def.library.function}
    nodes = collect_top_level(meta, initializers)
    # A scope is the nodes by name, and for each argument of the function whether it is an asset.
    unvisited, visited = [(nodes, _find_asset_tensors(meta))], []
    while unvisited:
        scope = unvisited.pop()
        if scope in visited:
            continue
        visited.append(scope)
        for node in scope[0].values():
            if node.op in TABLE_OPS and not _is_asset(node.input[FILENAME], scope):
                yield node
            for name in list_called(node, functions):
                function = functions[name]
                arguments = [argument.name for argument in function.signature.input_arg]
                # Other operations, such as loops, pass other arguments than their inputs.
                values = node.input if node.op in {name, *CALL_OPS} else ()
                pairs = zip(arguments, values, strict=False)
                assets = {argument for argument, value in pairs if _is_asset(value, scope)}
                unvisited.append(({inner.name: inner for inner in function.node_def}, assets))


def _is_asset(tensor: str, scope: tuple[dict, set[str]]) -> bool:
    """Return True if a tensor is the path of an asset."""
    nodes, assets = scope
    name = tensor.split(":")[0]
    while name not in assets and name in nodes and nodes[name].op == "Identity":
        name = nodes[name].input[0].split(":")[0]
    return name in assets


def _find_asset_tensors(meta) -> set[str]:
    """Return the names of the top-level nodes whose value is the path of an asset."""
    graph = meta.graph_def
    assets = [
        (asset.tensor_info.name.removesuffix(":0"), PurePosixPath(asset.filename).parts)
        for asset in meta.asset_file_def
    ]
    fed = {name for name, _ in assets} - {name for name, parts in assets if ".." in parts}
    handles = [node for node in graph.node if node.op == "VarHandleOp"]
    variables = {node.name for node in handles if _is_only_assigned(graph, node, fed)}
    read = {
        node.name
        for node in graph.node
        if node.op == "ReadVariableOp" and node.input[0].removesuffix(":0") in variables
    }
    return fed | read


def _is_only_assigned(graph, handle, values: set[str]) -> bool:
    """Return True if a variable is used by top-level reads and assignments of `values` only."""
    inner = (node for function in graph.library.function for node in function.node_def)
    # Another handle with the same name would refer to the same variable.
    (resource,) = set(_list_resources(handle))
    if sum(resource in _list_resources(node) for node in (*graph.node, *inner)) > 1:
        return False
    users = [node for node in graph.node if handle.name in (x.split(":")[0] for x in node.input)]
    return all(
        node.op in READ_OPS
        or (node.op == "AssignVariableOp" and node.input[1].removesuffix(":0") in values)
        for node in users
    )


def _list_resources(node) -> list[bytes]:
    """Return the names of the resources that a node may refer to."""
    attributes = [node.attr[key] for key in ("shared_name", "shared_names") if key in node.attr]
    names = [name for value in attributes for name in (value.s, *value.list.s) if name]
    return names or [node.name.encode()] * (node.op == "VarHandleOp")
