"""Find the outputs of a SavedModel that depend on a computation in half precision."""

import functools
from typing import Any

# Output `i` of these operations is output `i` of the function that they call.
CALL_OPS = ("PartitionedCall", "StatefulPartitionedCall")
TOP_LEVEL = ""  # in place of a function's name: the graph outside of all functions


def find_half_precision_outputs(meta: Any) -> set[tuple[str, str]]:
    """Return `(signature, output)` for all outputs that are computed from half-precision numbers.

    Args:
        meta: A MetaGraphDef.
    """
    graph = _Graph(meta.graph_def)
    return {
        (name, key)
        for name, signature in meta.signature_def.items()
        for key, info in signature.outputs.items()
        if graph.trace_tensor(TOP_LEVEL, info.name)[0]
    }


class _Graph:
    """The functions of a GraphDef and the nodes in each, by name."""

    def __init__(self, graph_def: Any):
        library = graph_def.library.function
        self.functions = {function.signature.name: function for function in library}
        self.nodes = {name: function.node_def for name, function in self.functions.items()}
        self.nodes[TOP_LEVEL] = graph_def.node
        self.by_name = {
            name: {node.name: node for node in nodes} for name, nodes in self.nodes.items()
        }
        # A cache of the methods themselves, which belong to the class, would keep every graph.
        self.trace_tensor = functools.cache(self._trace_tensor)
        self.has_half_nodes = functools.cache(self._has_half_nodes)

    def _trace_tensor(self, function: str, tensor: str) -> tuple[bool, frozenset[str]]:
        """Follow a tensor of a function back to all nodes that it is computed from.

        Args:
            function: The function's name, or `TOP_LEVEL`.
            tensor: The tensor's name in the function.

        Returns:
            Whether any of them is in half precision, and the function's arguments that it is
            computed from.
        """
        is_half, arguments, visited, unvisited = False, set(), set(), [tensor]
        while unvisited:
            tensor = unvisited.pop()
            # `^` marks a control dependency. The input checks connect every output to every input.
            if tensor in visited or tensor.startswith("^"):
                continue
            visited.add(tensor)
            # A tensor is named "node", "node:index" or, in functions, "node:output:index".
            name, *_, index = [*tensor.split(":"), "0"][: max(2, tensor.count(":") + 1)]
            node = self.by_name[function].get(name)
            if node is None:
                arguments.add(name)
            elif node.op in CALL_OPS:
                called_half, positions = self._trace_call(node, int(index))
                is_half = is_half or called_half
                unvisited.extend(node.input[position] for position in positions)
            else:
                is_half = is_half or self._has_half(node)
                unvisited.extend(node.input)
        return is_half, frozenset(arguments)

    def _trace_call(self, node: Any, index: int) -> tuple[bool, list[int]]:
        """Trace one output of a call; return the positions of the inputs it is computed from."""
        called = self.functions[node.attr["f"].func.name]
        output = called.ret[called.signature.output_arg[index].name]
        is_half, used = self.trace_tensor(called.signature.name, output)
        names = [argument.name for argument in called.signature.input_arg]
        return is_half, [names.index(name) for name in used]

    def _has_half(self, node: Any) -> bool:
        """Return True if a node, or a function that it calls, uses half precision anywhere."""
        from tensorflow.core.framework import types_pb2

        half = (types_pb2.DT_HALF, types_pb2.DT_BFLOAT16)
        called = {node.op}
        for attribute in node.attr.values():
            if attribute.type in half or any(dtype in half for dtype in attribute.list.type):
                return True
            called |= {attribute.func.name, *(function.name for function in attribute.list.func)}
        return any(self.has_half_nodes(name) for name in called & self.functions.keys())

    def _has_half_nodes(self, function: str) -> bool:
        """Return True if any node of a function uses half precision."""
        return any(self._has_half(node) for node in self.nodes[function])
