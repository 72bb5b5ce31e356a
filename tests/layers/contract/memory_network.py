"""Contract cases of MultiHopAttention and BagOfWords."""

from keras import ops

import keras_attention
from keras_attention.testing import request_scores
from tests.layers.contract.common import DROPOUT, INITIALIZERS, Case


@request_scores
def call_hops(layer, query, value, query_mask, value_mask, **options):
    """Call the layer with the values as every memory; return the weights of the last hop."""
    count = 2 if layer.tying == "layer_wise" else layer.hops + 1
    masks = [query_mask, *[value_mask] * count]
    result = layer([query, *[value] * count], mask=masks, **options)
    return (result[0], result[1][:, -1]) if isinstance(result, tuple) else result


@request_scores
def call_bag_of_words(layer, query, value, query_mask, value_mask, **options):
    """Make a sentence of each sequence of values, and return zeros as the weights.

    The signs of a value's first two components determine the id of a word.
    """
    ids = 1 + ops.cast(value[..., 0] > 0, "int32") + 2 * ops.cast(value[..., 1] > 0, "int32")
    output = layer(ids if value_mask is None else ops.where(value_mask, ids, 0))
    weights = ops.cast(ops.zeros_like(value[..., 0]), output.dtype)
    return (output, weights) if options["return_attention_scores"] else output


HOPS = {
    "call": call_hops,
    "takes_attention_mask": False,
    "fully_masked_output_is_zero": False,  # the contexts are added to the query
}
ROWS = {
    "hops": Case(
        keras_attention.MultiHopAttention,
        all_arguments={
            **INITIALIZERS,
            "hops": 2,
            "tying": "layer_wise",
            "score": "cosine",
            "normalize": "sparsemax",
            "hop_activation": "tanh",
            "dropout": 0.25,
            "seed": 3,
        },
        wrong_arguments=[
            *DROPOUT,
            ({"hops": 0}, "hops=0"),
            ({"tying": "loose"}, "tying='loose'"),
            ({"score": "dott"}, "score='dott'"),
            ({"normalize": 3}, "normalize=3"),
        ],
        **HOPS,
    ),
    "hops_layer_wise": Case(
        keras_attention.MultiHopAttention, {"hops": 2, "tying": "layer_wise"}, **HOPS
    ),
    "bag_of_words": Case(
        keras_attention.BagOfWords,
        {"size": 6, "width": 5},
        call=call_bag_of_words,
        takes_attention_mask=False,
        takes_query=False,
        takes_batch_axes=True,
        treats_keys_alike=False,
        all_arguments={
            "size": 7,
            "width": 4,
            "position_encoding": "paper",
            "max_length": 9,
            "embeddings_initializer": "ones",
            "embeddings_regularizer": "l2",
        },
        wrong_arguments=[
            ({"size": 0}, "size=0"),
            ({"width": 2.0}, "width=2.0"),
            ({"position_encoding": "mine"}, "position_encoding='mine'"),
            ({"max_length": 0}, "max_length=0"),
        ],
    ),
}
