"""The table of the contract: one row a layer (or a way to use it), and how to call it."""

import dataclasses
import functools
from collections.abc import Callable

import keras

import keras_attention

WIDTH = 5  # of queries and values alike, because a dot product wants it so


def asking(call):
    """An adapter of one layer's call: it asks for the weights unless told otherwise."""

    @functools.wraps(call)
    def adapter(layer, query, value, query_mask=None, value_mask=None, **options):
        options = {"return_attention_scores": True, **options}
        return call(layer, query, value, query_mask, value_mask, **options)

    return adapter


@asking
def attend(layer, query, value, query_mask, value_mask, **options):
    """A query/value layer: (output, weights)."""
    return layer([query, value], mask=[query_mask, value_mask], **options)


@asking
def pool(layer, query, value, query_mask, value_mask, **options):
    """A pooling: one output a sequence, no query."""
    return layer(value, mask=value_mask, **options)


@asking
def decode(layer, query, value, query_mask, value_mask, **options):
    """A decoder: its inputs stand in the queries' place, its memory in the values'."""
    return layer(query, value, inputs_mask=query_mask, memory_mask=value_mask, **options)


@dataclasses.dataclass
class Row:
    """What the contract needs to know of a layer.

    call: an adapter that returns (output, weights (B,Tq,Tk)), or the output alone with
    return_attention_scores=False. output_of_the_blind: whether a query that may see nothing reads
    zero (it does, unless the output holds more than what was read). takes_masks, takes_causal,
    takes_query: whether the layer knows of such. largest: the largest inputs that must give no
    NaN, where less than the dtype's own largest. others: every argument of the constructor that is
    not in `arguments`, off its default. wrong: arguments to refuse, each with a piece of the
    message.
    """

    layer: type
    arguments: dict = dataclasses.field(default_factory=dict)
    call: Callable = attend
    output_of_the_blind: bool = True
    takes_masks: bool = True
    takes_causal: bool = True
    takes_query: bool = True
    largest: float | None = None
    others: dict = dataclasses.field(default_factory=dict)
    wrong: list = dataclasses.field(default_factory=list)

    def make(self, **options):
        """The layer; options win over the row's arguments. Layers in them get its dtype policy."""
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(options.get("dtype", before))
        try:
            arguments = {**self.arguments, **options}
            return self.layer(**{k: v() if callable(v) else v for k, v in arguments.items()})
        finally:
            keras.config.set_dtype_policy(before)


INITIALIZERS = {"kernel_initializer": "he_normal", "kernel_regularizer": "l2"}
DROPOUT = [
    ({"dropout": 1.5}, "dropout=1.5"),
    ({"dropout": "half"}, "dropout='half'"),
]
# A Keras cell multiplies what it is fed in the compute dtype: beyond, its own products overflow.
# TensorFlow has no QR decomposition in bfloat16, so no orthogonal initializer.
NO_QR = {"recurrent_initializer": "glorot_uniform"}
CELL = {"largest": 100.0, "output_of_the_blind": False, "takes_causal": False, "call": decode}

ROWS = {
    "attention": Row(
        keras_attention.Attention,
        others={"score": "cosine", "normalize": "sparsemax", "dropout": 0.25, "seed": 3},
        wrong=[
            *DROPOUT,
            ({"score": "dott"}, "score='dott'"),
            ({"normalize": 3}, "normalize=3"),
        ],
    ),
    "attention_scaled_sparsemax": Row(
        keras_attention.Attention, {"score": "scaled_dot", "normalize": "sparsemax"}
    ),
    "attention_cosine": Row(keras_attention.Attention, {"score": "cosine"}),
    "attention_hardmax": Row(keras_attention.Attention, {"normalize": "hardmax"}),
    "additive": Row(
        keras_attention.AdditiveAttention,
        others={
            **INITIALIZERS,
            "units": 7,
            "use_bias": True,
            "dropout": 0.25,
            "seed": 3,
            "scale_initializer": "ones",
            "bias_initializer": "ones",
        },
        wrong=[
            *DROPOUT,
            ({"units": 0}, "units=0"),
            ({"units": 2.5}, "units=2.5"),
            ({"use_bias": "yes"}, "use_bias='yes'"),
        ],
    ),
    "luong_dot": Row(keras_attention.LuongAttention, {"score": "dot"}),
    "luong_general": Row(
        keras_attention.LuongAttention,
        others={
            **INITIALIZERS,
            "score": "location",
            "units": 7,
            "max_length": 11,
            "dropout": 0.25,
            "seed": 3,
        },
        wrong=[
            *DROPOUT,
            ({"score": "scaled_dot"}, "score='scaled_dot'"),
            ({"score": "location"}, "max_length=None"),
            ({"max_length": 7}, "max_length=7"),
            ({"units": -1}, "units=-1"),
        ],
    ),
    "luong_concat": Row(keras_attention.LuongAttention, {"score": "concat"}),
    "luong_location": Row(keras_attention.LuongAttention, {"score": "location", "max_length": 20}),
    "luong_attentional_vector": Row(
        keras_attention.LuongAttention, {"units": 7}, output_of_the_blind=False
    ),
    "pooling": Row(
        keras_attention.AttentionPooling,
        call=pool,
        takes_causal=False,
        takes_query=False,
        others={
            **INITIALIZERS,
            "units": 7,
            "dropout": 0.25,
            "seed": 3,
            "bias_initializer": "ones",
            "query_initializer": "ones",
        },
        wrong=[*DROPOUT, ({"units": 0}, "units=0")],
    ),
    "decoder_before": Row(
        keras_attention.AttentionDecoder,
        {
            "cell": lambda: keras.layers.GRUCell(7, **NO_QR),
            "attention": lambda: keras_attention.AdditiveAttention(units=3),
        },
        others={
            "cell": lambda: keras.layers.LSTMCell(5, **NO_QR),
            "attention": lambda: keras_attention.LuongAttention("dot", units=3),
            "attend": "after",
            "input_feeding": True,
            "output_mode": "both",
        },
        wrong=[
            ({"cell": lambda: keras.layers.Dense(3)}, "cell="),
            ({"attention": lambda: keras.layers.Attention()}, "attention="),
            ({"attend": "during"}, "attend='during'"),
            ({"input_feeding": True}, "input_feeding=True"),
            ({"output_mode": "all"}, "output_mode='all'"),
        ],
        **CELL,
    ),
    "decoder_after": Row(
        keras_attention.AttentionDecoder,
        {
            "cell": lambda: keras.layers.LSTMCell(5, **NO_QR),
            "attention": lambda: keras_attention.LuongAttention(units=3),
            "attend": "after",
        },
        **CELL,
    ),
    "decoder_feeding": Row(
        keras_attention.AttentionDecoder,
        {
            "cell": lambda: keras.layers.StackedRNNCells(
                [keras.layers.GRUCell(3, **NO_QR), keras.layers.LSTMCell(5, **NO_QR)]
            ),
            "attention": lambda: keras_attention.Attention("scaled_dot"),
            "attend": "after",
            "input_feeding": True,
            "output_mode": "both",
        },
        **CELL,
    ),
}
