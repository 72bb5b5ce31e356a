"""The benchmark families, one file per mechanism: contestants, data and required work.

To add a mechanism, add a file like `dot.py` and a line here. The files import `keras` inside of
functions, because the process that lists the cases must not load a backend.
"""

from benchmarks.families import (
    additive,
    biased,
    decoder,
    dot,
    dropout,
    graph,
    greedy,
    grouped,
    hard,
    image,
    local,
    local_predictive,
    memory_machine,
    multi_head,
    pointer,
    pooling,
    speech,
    transformer,
    translation,
)

FAMILIES = {
    family.name: family
    for family in [
        additive.FAMILY,
        multi_head.FAMILY,
        transformer.FAMILY,
        local.FAMILY,
        dot.FAMILY,
        grouped.FAMILY,
        biased.RELATIVE,
        biased.ALIBI,
        local_predictive.FAMILY,
        decoder.FAMILY,
        greedy.FAMILY,
        memory_machine.FAMILY,
        image.FAMILY,
        hard.FAMILY,
        pointer.FAMILY,
        pooling.FAMILY,
        dropout.FAMILY,
        speech.LOCATION_AWARE,
        speech.MONOTONIC,
        graph.FAMILY,
        *translation.FAMILIES,
    ]
}
