"""Contract cases of the layers whose weights depend on the previous weights, and their decoders."""

import keras_attention
from tests.layers.contract.common import (
    DROPOUT,
    INITIALIZERS,
    MAX_CELL_INPUT,
    Case,
    call_decoder,
    create_gru_cell,
)

# Not permuted with their keys: the filters and the order of choice depend on the keys' order.
ORDERED = {"treats_keys_alike": False}
CELL = {
    "max_input": MAX_CELL_INPUT,
    "fully_masked_output_is_zero": False,
    "takes_attention_mask": False,
    "call": call_decoder,
}

ROWS = {
    "location_aware": Case(
        keras_attention.LocationAwareAttention,
        {"units": 5, "filters": 2, "width": 3},
        all_arguments={
            **INITIALIZERS,
            "units": 7,
            "filters": 3,
            "width": 5,
            "normalize": "smooth",
            "sharpness": 2.0,
            "window": 4,
            "cumulative": True,
            "start": "first",
            "use_bias": True,
            "dropout": 0.25,
            "seed": 3,
            "scale_initializer": "ones",
            "bias_initializer": "ones",
            "implementation": "plain",
        },
        wrong_arguments=[
            *DROPOUT,
            ({"units": 0}, "units=0"),
            ({"filters": 0}, "filters=0"),
            ({"width": 4}, "width=4"),
            ({"normalize": "soft"}, "normalize='soft'"),
            ({"sharpness": 0}, "sharpness=0"),
            ({"window": 0}, "window=0"),
            ({"cumulative": 1}, "cumulative=1"),
            ({"start": "last"}, "start='last'"),
            ({"start": "uniform", "window": 2}, "start='uniform', window=2"),
            ({"implementation": "blockwise"}, "implementation='blockwise'"),
        ],
        **ORDERED,
    ),
    "location_aware_window": Case(
        keras_attention.LocationAwareAttention,
        {
            "units": 5,
            "filters": 2,
            "width": 5,
            "normalize": "smooth",
            "sharpness": 2.0,
            "window": 2,
            "cumulative": True,
        },
        **ORDERED,
    ),
    "monotonic": Case(
        keras_attention.MonotonicAttention,
        {"bias": 0.0},
        weights_sum_to_one=False,
        # The hard choice does not depend on a later key if an earlier one is chosen.
        takes_attention_mask=False,
        exclusive_arguments=("score",),  # units and normalized are for the default only
        all_arguments={
            **INITIALIZERS,
            "score": "additive",
            "units": 7,
            "normalized": False,
            "bias": 1.0,
            "noise": 0.5,
            "chunk": 2,
            "inference": "soft",
            "seed": 3,
        },
        wrong_arguments=[
            ({"score": "dot"}, "score='dot'"),
            ({"score": "general", "units": 3}, "score='general', units=3"),
            ({"units": 0}, "units=0"),
            ({"normalized": "yes"}, "normalized='yes'"),
            ({"bias": float("nan")}, "bias=nan"),
            ({"noise": -1.0}, "noise=-1.0"),
            ({"chunk": 0}, "chunk=0"),
            ({"inference": "mode"}, "inference='mode'"),
            ({"dropout": 0.5}, "dropout=0.5"),
            ({"implementation": "plain"}, "implementation='plain'"),
        ],
        **ORDERED,
    ),
    "monotonic_chunks": Case(
        keras_attention.MonotonicAttention,
        {"score": "general", "chunk": 2, "inference": "soft", "bias": 0.0},
        weights_sum_to_one=False,
        **ORDERED,
    ),
    "decoder_location_aware": Case(
        keras_attention.AttentionDecoder,
        {
            "cell": lambda: create_gru_cell(7),
            "attention": lambda: keras_attention.LocationAwareAttention(
                units=3, filters=2, width=3, cumulative=True
            ),
        },
        **ORDERED,
        **CELL,
    ),
    "decoder_monotonic": Case(
        keras_attention.AttentionDecoder,
        {
            "cell": lambda: create_gru_cell(7),
            "attention": lambda: keras_attention.MonotonicAttention(bias=0.0, chunk=2),
            "attend": "after",
        },
        weights_sum_to_one=False,
        **ORDERED,
        **CELL,
    ),
}
