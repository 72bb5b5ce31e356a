"""Variables that a request changes, and their values before the self-check."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

READ_ONLY_OPS = frozenset(
    ["ReadVariableOp", "ResourceGather", "ResourceGatherNd", "VariableShape", "VarIsInitializedOp"]
)
TABLE_CHANGING_OPS = frozenset(
    ["LookupTableInsertV2", "LookupTableRemoveV2", "LookupTableImportV2"]
)
# TensorFlow lists here the inputs that a function, condition or loop does not change.
READ_ONLY_INPUTS = "_read_only_resource_inputs"


def find_changed_state(concrete_function: Any) -> list[str]:
    """Return the names of the variables that a traced function may change.

    A table of `tf.lookup` that it changes is listed as "a lookup table".

    Args:
        concrete_function: A `tf.types.experimental.ConcreteFunction`.
    """
    variables = {id(variable.handle): variable for variable in concrete_function.variables}
    names = set()
    for resource, placeholder in concrete_function.graph.captures:
        consumers = placeholder.consumers()
        variable = variables.get(id(resource))
        if variable is not None and any(_changes(op, placeholder) for op in consumers):
            names.add(variable.name.split(":")[0])
        if any(op.type in TABLE_CHANGING_OPS for op in consumers):
            names.add("a lookup table")
    return sorted(names)


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
def restore_variables(concrete_functions: Sequence[Any]) -> Iterator[None]:
    """Set all variables of some traced functions back to their values when the context ends.

    Args:
        concrete_functions: List of `tf.types.experimental.ConcreteFunction`.
    """
    variables = _list_variables(concrete_functions)
    values = [variable.read_value() for variable in variables]  # shares the memory, no copy
    try:
        yield
    finally:
        for variable, value in zip(variables, values, strict=True):
            if not np.array_equal(variable.numpy(), value.numpy()):
                variable.assign(value)


def _list_variables(concrete_functions: Iterable[Any]) -> list:
    """Return the variables of all functions, each once."""
    unique = {
        id(variable): variable for function in concrete_functions for variable in function.variables
    }
    return list(unique.values())
