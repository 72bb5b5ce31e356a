"""Contract cases of GraphAttention: in its graph, each key sends an edge to each query."""

import keras
from keras import ops

import keras_attention
from keras_attention.testing import request_scores
from tests.layers.contract.common import DROPOUT, INITIALIZERS, Case


@keras.saving.register_keras_serializable(package="keras_attention_tests")
class ConnectAll(keras.layers.Layer):
    """Returns the nodes and edges of a graph in which each key sends to each query."""

    def __init__(self, **kwargs):
        super().__init__(**{**kwargs, "autocast": False})

    def call(self, query, value):
        nodes = ops.concatenate([query, value], axis=1)
        batch, queries, _ = ops.shape(query)
        keys = ops.shape(value)[1]
        shape = (batch, queries, keys)
        senders = ops.broadcast_to(ops.arange(keys, dtype="int32") + queries, shape)
        receivers = ops.broadcast_to(ops.arange(queries, dtype="int32")[:, None], shape)
        return nodes, ops.reshape(ops.stack([senders, receivers], -1), (batch, queries * keys, 2))

    def compute_output_spec(self, query, value):
        batches = {query.shape[0], value.shape[0]} - {None}
        if len(batches) > 1:
            raise ValueError(f"Expected equal batches. Received: {batches}")
        batch, queries, keys = max(batches, default=None), query.shape[1], value.shape[1]
        is_unknown = None in (queries, keys)
        nodes = (batch, None if is_unknown else queries + keys, query.shape[2])
        edges = (batch, None if is_unknown else queries * keys, 2)
        return keras.KerasTensor(nodes, query.dtype), keras.KerasTensor(edges, "int32")


@keras.saving.register_keras_serializable(package="keras_attention_tests")
class ReadQueries(keras.layers.Layer):
    """Returns the outputs of the queries, and their weights: the means of the heads."""

    def __init__(self, **kwargs):
        super().__init__(**{**kwargs, "autocast": False})
        self.supports_masking = True

    def compute_mask(self, *arguments, **options):
        return None

    def call(self, output, weights, query, value):
        batch, queries, _ = ops.shape(query)
        shape = (batch, queries, ops.shape(value)[1])
        return output[:, :queries], ops.reshape(ops.mean(weights, axis=-1), shape)

    def compute_output_spec(self, output, weights, query, value):
        (batch, _, width), queries, keys = output.shape, query.shape[1], value.shape[1]
        return (
            keras.KerasTensor((batch, queries, width), output.dtype),
            keras.KerasTensor((batch, queries, keys), weights.dtype),
        )


@request_scores
def call_graph(
    layer,
    query,
    value,
    query_mask,
    value_mask,
    attention_mask=None,
    use_causal_mask=False,
    return_attention_scores=True,
    training=None,
):
    nodes, edges = ConnectAll()(query, value)
    mask = None
    if query_mask is not None:
        mask = [ops.concatenate([query_mask, value_mask], axis=1), None]
    if use_causal_mask:
        attention_mask = keras_attention.mask.causal(query.shape[1], value.shape[1])
    if attention_mask is not None:
        pairs = (query.shape[0], query.shape[1], value.shape[1])
        attention_mask = ops.broadcast_to(attention_mask, pairs)
        attention_mask = ops.reshape(attention_mask, (pairs[0], pairs[1] * pairs[2]))
    output, weights, *_ = layer(
        [nodes, edges],
        mask=mask,
        edge_mask=attention_mask,
        return_attention_scores=True,
        training=training,
    )
    output, weights = ReadQueries()(output, weights, query, value)
    if return_attention_scores:
        return output, weights
    return output


ROWS = {
    # The output of a node without neighbors is that of its self-loop and of the bias. Keys that are
    # masked for all queries still attend to themselves.
    "graph": Case(
        keras_attention.GraphAttention,
        {"units": 4, "heads": 2},
        call=call_graph,
        fully_masked_output_is_zero=False,
        weights_sum_to_one=False,
        takes_attention_mask=False,
        all_arguments={
            **INITIALIZERS,
            "units": 7,
            "heads": 3,
            "merge": "average",
            "activation": "elu",
            "negative_slope": 0.1,
            "self_loops": False,
            "dynamic": True,
            "dropout": 0.25,
            "feature_dropout": 0.5,
            "use_bias": False,
            "seed": 3,
            "attention_initializer": "ones",
            "bias_initializer": "ones",
        },
        wrong_arguments=[
            *DROPOUT,
            ({"units": 0}, "units=0"),
            ({"heads": 2.5}, "heads=2.5"),
            ({"merge": "sum"}, "merge='sum'"),
            ({"negative_slope": -1.0}, "negative_slope=-1.0"),
            ({"self_loops": 1}, "self_loops=1"),
            ({"dynamic": "v2"}, "dynamic='v2'"),
            ({"feature_dropout": 1}, "feature_dropout=1"),
            ({"use_bias": 0}, "use_bias=0"),
        ],
    ),
    "graph_without_loops": Case(
        keras_attention.GraphAttention,
        {"units": 3, "heads": 2, "self_loops": False, "use_bias": False},
        call=call_graph,
    ),
    "graph_dynamic": Case(
        keras_attention.GraphAttention,
        {
            "units": 3,
            "heads": 2,
            "merge": "average",
            "dynamic": True,
            "self_loops": False,
            "use_bias": False,
        },
        call=call_graph,
    ),
}
