"""Contract cases of AttentionPooling."""

import keras_attention
from keras_attention.testing import request_scores
from tests.layers.contract.common import DROPOUT, INITIALIZERS, Case


@request_scores
def call_pooling(layer, query, value, query_mask, value_mask, **options):
    """Call a pooling layer: it has no query and one output per sequence."""
    return layer(value, mask=value_mask, **options)


ROWS = {
    "pooling": Case(
        keras_attention.AttentionPooling,
        call=call_pooling,
        takes_attention_mask=False,
        takes_query=False,
        all_arguments={
            **INITIALIZERS,
            "units": 7,
            "dropout": 0.25,
            "seed": 3,
            "bias_initializer": "ones",
            "query_initializer": "ones",
            "normalize": "sparsemax",
        },
        wrong_arguments=[
            *DROPOUT,
            ({"units": 0}, "units=0"),
            ({"normalize": "gauss"}, "normalize='gauss'"),
        ],
    ),
    "pooling_sparsemax": Case(
        keras_attention.AttentionPooling,
        {"normalize": "sparsemax"},
        call=call_pooling,
        takes_attention_mask=False,
        takes_query=False,
    ),
}
