"""A fixed order of an export's variables, so that two exports of a model have the same bytes."""

from collections.abc import Callable
from typing import Any


def sort_variables(endpoint: Callable, specs: list) -> None:
    """Sort the variables of an endpoint by name.

    TensorFlow collects the variables that a function reads in a set, whose order depends on memory
    addresses. An `ExportArchive` writes them into the graph and the checkpoint in that order.

    Args:
        endpoint: The `tf.function` that `ExportArchive.add_endpoint` returned.
        specs: List of the tf.TensorSpec with which the endpoint was added.
    """
    graph: Any = endpoint.get_concrete_function(*specs).graph
    graph.variables = sorted(graph.variables, key=lambda variable: variable.name)
