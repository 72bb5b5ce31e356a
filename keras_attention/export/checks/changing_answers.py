"""Find the signatures that may answer the same request differently from one time to the next."""

from collections.abc import Iterable
from typing import Any

from keras_attention.export.checks.data_flow import collect_data_nodes
from keras_attention.export.checks.graph import STATE_CHANGING_OPS, UNSEEDED_SAMPLING_OPS
from keras_attention.export.checks.reachable import (
    collect_called,
    collect_top_level,
    list_signatures,
)
from keras_attention.export.checks.state import READ_ONLY_INPUTS, READ_ONLY_OPS

STATE_OPS = frozenset(
    ["VarHandleOp", "VariableV2", "FIFOQueueV2", "MutableHashTableV2", "MutableDenseHashTableV2"]
    + ["MutableHashTableOfTensorsV2"]
)


def find_changing_signatures(meta: Any) -> set[str]:
    """Return the signatures that sample, or whose outputs depend on state that any signature
    changes.

    Args:
        meta: A MetaGraphDef.
    """
    changing, changed, used = set(), set(), {}
    for name, signature in list_signatures(meta).items():
        tensors = [info.name for info in signature.outputs.values()]
        top_level = collect_top_level(meta, tensors)
        states = {key for key, node in top_level.items() if node.op in STATE_OPS}
        used[name] = states & collect_data_nodes(meta, tensors)
        nodes, _ = collect_called(meta.graph_def.library.function, top_level.values())
        operations = {node.op for node in nodes}
        written = states & _find_written_inputs(top_level.values())
        is_hidden = not written and operations & STATE_CHANGING_OPS  # a state inside a function
        if operations & UNSEEDED_SAMPLING_OPS or is_hidden:
            changing.add(name)
        if operations & STATE_CHANGING_OPS:
            changed |= written
    return changing | {name for name, states in used.items() if states & changed}


def _find_written_inputs(nodes: Iterable) -> set[str]:
    """Return the names of all inputs of some nodes, except those that they only read."""
    names = set()
    for node in nodes:
        if node.op in READ_ONLY_OPS:
            continue
        attribute = node.attr[READ_ONLY_INPUTS] if READ_ONLY_INPUTS in node.attr else None
        read_only = attribute.list.i if attribute is not None else ()
        names |= {
            name.lstrip("^").split(":")[0]
            for position, name in enumerate(node.input)
            if position not in read_only
        }
    return names
