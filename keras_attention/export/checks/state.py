"""Variables and tables that a request changes, and their values before the self-check."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from keras_attention.export.checks.reachable import collect_called

READ_ONLY_OPS = frozenset(
    ["ReadVariableOp", "ResourceGather", "ResourceGatherNd", "VariableShape", "VarIsInitializedOp"]
)
TABLE_CHANGING_OPS = frozenset(
    ["LookupTableInsertV2", "LookupTableRemoveV2", "LookupTableImportV2"]
)
SEED_GENERATOR_STATE = "seed_generator_state"  # the name that Keras gives
# TensorFlow lists here the inputs that a function, condition or loop does not change.
READ_ONLY_INPUTS = "_read_only_resource_inputs"


def find_changed_state(concrete_function: Any) -> list[str]:
    """Return the names of the variables that a traced function may change.

    If it changes tables of `tf.lookup`, the list holds "a lookup table". A seed generator is left
    out if no output depends on it. Outside of training too, Keras's recurrent layers with dropout
    draw numbers, which they then do not use.

    Args:
        concrete_function: A `tf.types.experimental.ConcreteFunction`.
    """
    variables = {id(variable.handle): variable for variable in concrete_function.variables}
    names, used = set(), _collect_operations_of_outputs(concrete_function)
    for resource, placeholder in concrete_function.graph.captures:
        consumers = placeholder.consumers()
        variable = variables.get(id(resource))
        if variable is not None and any(_changes(op, placeholder) for op in consumers):
            name = variable.name.split(":")[0]
            if placeholder.op in used or not name.endswith(SEED_GENERATOR_STATE):
                names.add(name)
    graph_def = concrete_function.graph.as_graph_def()
    nodes, _ = collect_called(graph_def.library.function, graph_def.node)
    if any(node.op in TABLE_CHANGING_OPS for node in nodes):
        names.add("a lookup table")
    return sorted(names)


def _collect_operations_of_outputs(concrete_function: Any) -> set:
    """Return the operations whose results the outputs of a traced function depend on."""
    operations, unvisited = set(), [tensor.op for tensor in concrete_function.outputs]
    while unvisited:
        operation = unvisited.pop()
        if operation not in operations:
            operations.add(operation)
            unvisited.extend(tensor.op for tensor in operation.inputs)
    return operations


def _changes(operation: Any, resource: Any) -> bool:
    """Return True if an operation may change the variable that it takes as an input."""
    if operation.type in READ_ONLY_OPS:
        return False
    if READ_ONLY_INPUTS not in operation.node_def.attr:
        return True
    read_only = operation.get_attr(READ_ONLY_INPUTS)
    positions = [index for index, tensor in enumerate(operation.inputs) if tensor is resource]
    return any(position not in read_only for position in positions)


@contextlib.contextmanager
def restore_state(concrete_functions: Sequence[Any], parts: Iterable[Any]) -> Iterator[None]:
    """Set the variables of traced functions, and tables, back to their values at the end.

    Args:
        concrete_functions: List of `tf.types.experimental.ConcreteFunction`.
        parts: The trackable objects that hold the tables, and others.
    """
    import tensorflow as tf

    mutable = (tf.lookup.experimental.MutableHashTable, tf.lookup.experimental.DenseHashTable)
    tables = [part for part in parts if isinstance(part, mutable)]
    # The tensors that `export` returns may share the memory of the table.
    contents = [tuple(map(np.array, table.export())) for table in tables]
    variables = list_variables(concrete_functions)
    values = [variable.read_value() for variable in variables]  # shares the memory, no copy
    try:
        yield
    finally:
        for variable, value in zip(variables, values, strict=True):
            if not np.array_equal(variable.numpy(), value.numpy()):
                variable.assign(value)
        for table, (keys, values) in zip(tables, contents, strict=True):
            tf.raw_ops.LookupTableImportV2(
                table_handle=table.resource_handle,
                keys=tf.constant(keys, table.key_dtype),
                values=tf.constant(values, table.value_dtype),
            )


def list_variables(concrete_functions: Iterable[Any]) -> list:
    """Return the variables of all functions, each once."""
    unique = {
        id(variable): variable for function in concrete_functions for variable in function.variables
    }
    return list(unique.values())
