"""The contract cases of all layers by name. A new layer adds a case to its family's file."""

from tests.layers.contract import (
    cells,
    graph,
    image,
    luong,
    memory_network,
    migrate,
    multi_head,
    neural_turing_machine,
    pointer,
    pooling,
    positions,
    query_value,
    recurrent,
    sequential,
    steps,
    transformer,
)

FAMILIES = (
    query_value,
    luong,
    sequential,
    migrate,
    multi_head,
    transformer,
    recurrent,
    pointer,
    pooling,
    memory_network,
    steps,
    image,
    positions,
    graph,
    neural_turing_machine,
    cells,
)
ROWS = {name: case for family in FAMILIES for name, case in family.ROWS.items()}
