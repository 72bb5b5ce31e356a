"""The table of the contract: one row a layer (or a way to use it), and how to call it."""

import dataclasses
import functools
from collections.abc import Callable

import keras
from keras import ops

import keras_attention
from keras_attention.mask import hide
from keras_attention.score import DotScore

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


@asking
def point(layer, query, value, query_mask, value_mask, **options):
    """A pointer: of its log-probabilities, as many as keys, sum_j p_j log p_j value_j.

    That is as wide as a value, and zero where nothing may be seen and where log p is zero: in a
    padded step.
    """
    returned = decode(layer, query, value, query_mask, value_mask, **options)
    found, *weights = returned if options["return_attention_scores"] else [returned]
    elements = found[..., 1:] if layer.end_slot else found
    values = ops.cast(hide(value, value_mask), elements.dtype)
    output = ops.cast(ops.matmul(ops.exp(elements) * elements, values), layer.compute_dtype)
    if not weights:
        return output
    return output, weights[0][..., 1:] if layer.end_slot else weights[0]


@asking
def point_by_index(layer, query, value, query_mask, value_mask, **options):
    """A pointer that is fed the elements themselves: a query's signs say which, 0 to 3."""
    first, second = (ops.cast(query[..., i] > 0, "int32") for i in range(2))
    indices = ops.add(first, ops.multiply(second, 2))
    return point(layer, indices, value, query_mask, value_mask, points=value, **options)


@asking
def attend_with_heads(layer, query, value, query_mask, value_mask, **options):
    """A query/value layer with heads: (output, mean of the heads' weights)."""
    found = layer([query, value], mask=[query_mask, value_mask], **options)
    return (found[0], ops.mean(found[1], axis=1)) if isinstance(found, tuple) else found


@asking
def see(layer, query, value, query_mask, value_mask, **options):
    """A layer of images: the values are the pixels of an image one pixel wide, no query."""
    axis = 2 if layer.data_format == "channels_last" else 3
    image = value if axis == 2 else keras.ops.swapaxes(value, 1, 2)
    seen = layer(keras.ops.expand_dims(image, axis), **options)
    output, *weights = seen if isinstance(seen, tuple) else (seen,)
    output = keras.ops.squeeze(output, axis)
    output = output if axis == 2 else keras.ops.swapaxes(output, 1, 2)
    return (output, *weights) if weights else output


@asking
def add_positions(layer, query, value, query_mask, value_mask, **options):
    """No attention: what looks at nothing has weights of zero."""
    output = layer(query)
    rows, columns = (ops.cast(ops.zeros_like(x[..., 0]), output.dtype) for x in (query, value))
    weights = ops.expand_dims(rows, 2) + ops.expand_dims(columns, 1)
    return (output, weights) if options["return_attention_scores"] else output


@keras.saving.register_keras_serializable(package="tests")
class Tail(keras.layers.Layer):
    """The last queries of what comes behind the keys, and what they see of the keys."""

    supports_masking = True

    def compute_mask(self, *inputs):
        return None

    def call(self, output, weights, query):
        last = ops.shape(output)[1] - ops.shape(query)[1]
        return output[:, last:], ops.mean(weights[:, :, last:, :last], axis=1)

    def compute_output_spec(self, output, weights, query):
        batch, queries, _ = query.shape
        keys = None if None in (queries, weights.shape[3]) else weights.shape[3] - queries
        return (
            keras.KerasTensor((batch, queries, output.shape[2]), output.dtype),
            keras.KerasTensor((batch, queries, keys), weights.dtype),
        )


@asking
def encode(layer, query, value, query_mask, value_mask, **options):
    """An encoder of one sequence: the keys, then the queries, and only the keys can be seen."""
    is_key = ops.concatenate([ops.ones_like(value[..., 0]), ops.zeros_like(query[..., 0])], 1)
    masks = [
        ops.ones_like(x[..., 0], dtype="bool") if mask is None else mask
        for x, mask in ((value, value_mask), (query, query_mask))
    ]
    output, weights = layer(
        ops.concatenate([value, query], 1),
        mask=ops.concatenate(masks, 1),
        attention_mask=ops.expand_dims(ops.cast(is_key, "bool"), 1),
        **{**options, "return_attention_scores": True},
    )
    found = Tail(dtype=layer.dtype_policy.name)(output, weights, query)
    return found if options["return_attention_scores"] else found[0]


@asking
def decode_block(layer, query, value, query_mask, value_mask, **options):
    """A Transformer's decoder: (output, mean of the heads' weights on the memory)."""
    found = layer(query, value, inputs_mask=query_mask, memory_mask=value_mask, **options)
    return (found[0], ops.mean(found[2], axis=1)) if isinstance(found, tuple) else found


@asking
def remember(layer, query, value, query_mask, value_mask, **options):
    """A cell with a memory, run over the values: (outputs, where its first read head ended)."""
    with_weights = options.pop("return_attention_scores")
    over_time = {"return_sequences": True, "return_state": True, "dtype": layer.dtype_policy}
    outputs, *_, addresses = keras.layers.RNN(layer, **over_time)(value, **options)
    return (outputs, addresses[:, : layer.slots]) if with_weights else outputs


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
NO_BEGIN = {"begin_initializer": None}  # of use with `points` alone
POINTER = {"largest": 100.0, "takes_causal": False, "call": point}
IMAGE = {"call": see, "takes_masks": False, "takes_causal": False, "takes_query": False}
BLOCK = {"output_of_the_blind": False, "takes_causal": False}
BLOCKS_ARGUMENTS = {
    "others": {
        "num_heads": 6,
        "hidden_dim": 7,
        "key_dim": 2,
        "num_key_value_heads": 3,
        "dropout": 0.25,
        "attention_dropout": 0.125,
        "norm": "pre",
        "activation": "gelu",
        "window": 2,
        "rotary_base": 50.0,
        "use_bias": False,
        "seed": 3,
    },
    "wrong": [
        *DROPOUT,
        ({"num_heads": 0}, "num_heads=0"),
        ({"hidden_dim": 1.5}, "hidden_dim=1.5"),
        ({"key_dim": -1}, "key_dim=-1"),
        ({"num_key_value_heads": 3}, "num_key_value_heads=3, num_heads=5"),
        ({"attention_dropout": 2}, "attention_dropout=2"),
        ({"norm": "both"}, "norm='both'"),
        ({"window": -1}, "window=-1"),
        ({"rotary_base": "yes"}, "rotary_base='yes'"),
        ({"use_bias": 1}, "use_bias=1"),
        ({"seed": "a"}, "seed='a'"),
    ],
}
# It has no keys to mask: a masked step is the loop's affair.
MEMORY = {
    "call": remember,
    "takes_causal": False,
    "takes_query": False,
    "takes_masks": False,
    "output_of_the_blind": False,
}

ROWS = {
    "attention": Row(
        keras_attention.Attention,
        others={
            "score": "cosine",
            "normalize": "sparsemax",
            "dropout": 0.25,
            "seed": 3,
            "implementation": "plain",
        },
        wrong=[
            *DROPOUT,
            ({"implementation": "fast"}, "implementation='fast'"),
            ({"score": "dott"}, "score='dott'"),
            ({"normalize": 3}, "normalize=3"),
        ],
    ),
    "attention_scaled_sparsemax": Row(
        keras_attention.Attention, {"score": "scaled_dot", "normalize": "sparsemax"}
    ),
    "attention_cosine": Row(keras_attention.Attention, {"score": "cosine"}),
    "attention_blockwise": Row(
        keras_attention.Attention,
        {
            "score": lambda: DotScore(scaled=True, use_scale=True),
            "implementation": "blockwise",
        },
    ),
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
            "implementation": "plain",
        },
        wrong=[
            *DROPOUT,
            ({"units": 0}, "units=0"),
            ({"units": 2.5}, "units=2.5"),
            ({"use_bias": "yes"}, "use_bias='yes'"),
            ({"implementation": "fast"}, "implementation='fast'"),
        ],
    ),
    "additive_blockwise": Row(
        keras_attention.AdditiveAttention, {"units": 7, "implementation": "blockwise"}
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
            "implementation": "plain",
        },
        wrong=[
            *DROPOUT,
            ({"implementation": "fast"}, "implementation='fast'"),
            ({"score": "scaled_dot"}, "score='scaled_dot'"),
            ({"score": "location"}, "max_length=None"),
            ({"max_length": 7}, "max_length=7"),
            ({"units": -1}, "units=-1"),
        ],
    ),
    "luong_blockwise": Row(keras_attention.LuongAttention, {"implementation": "blockwise"}),
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
    "pointer": Row(
        keras_attention.PointerDecoder,
        {"units": 7, "cell": lambda: keras.layers.LSTMCell(3, **NO_QR), **NO_BEGIN},
        others={
            **INITIALIZERS,
            "units": 5,
            "cell": lambda: keras.layers.GRUCell(5, **NO_QR),
            "end_slot": True,
            "scale_initializer": "ones",
            "begin_initializer": "ones",
            "end_initializer": "zeros",
        },
        wrong=[
            ({"units": 0}, "units=0"),
            ({"cell": lambda: keras.layers.Dense(3)}, "cell="),
            ({"end_slot": "yes"}, "end_slot='yes'"),
        ],
        **POINTER,
    ),
    "pointer_with_an_end": Row(
        keras_attention.PointerDecoder,
        {
            "units": 7,
            "cell": lambda: keras.layers.LSTMCell(3, **NO_QR),
            "end_slot": True,
            **NO_BEGIN,
        },
        **POINTER,
    ),
    "pointer_by_index": Row(
        keras_attention.PointerDecoder,
        {"units": 7, "cell": lambda: keras.layers.LSTMCell(3, **NO_QR)},
        **{**POINTER, "call": functools.partial(point_by_index, mask_visited=True)},
    ),
    "multi_head": Row(
        keras_attention.MultiHeadAttention,
        {"num_heads": 2, "key_dim": 3},
        call=attend_with_heads,
        others={
            **INITIALIZERS,
            "num_heads": 6,
            "key_dim": 5,
            "value_dim": 7,
            "num_key_value_heads": 3,
            "use_bias": False,
            "dropout": 0.25,
            "seed": 3,
            "bias_initializer": "ones",
            "implementation": "plain",
        },
        wrong=[
            *DROPOUT,
            ({"num_heads": 0}, "num_heads=0"),
            ({"key_dim": 0}, "key_dim=0"),
            ({"value_dim": 1.5}, "value_dim=1.5"),
            ({"num_key_value_heads": 3}, "num_key_value_heads=3, num_heads=2"),
            ({"use_bias": "yes"}, "use_bias='yes'"),
            ({"implementation": "flash"}, "implementation='flash'"),
        ],
    ),
    "multi_head_grouped": Row(
        keras_attention.MultiHeadAttention,
        {"num_heads": 6, "key_dim": 2, "value_dim": 3, "num_key_value_heads": 2},
        call=attend_with_heads,
    ),
    "multi_head_self": Row(
        keras_attention.MultiHeadSelfAttention,
        {"num_heads": 2, "key_dim": 4},
        call=attend_with_heads,
        others={
            **INITIALIZERS,
            "num_heads": 6,
            "key_dim": 2,
            "value_dim": 7,
            "num_key_value_heads": 3,
            "use_bias": False,
            "window": 3,
            "rotary_base": 50.0,
            "dropout": 0.25,
            "seed": 3,
            "bias_initializer": "ones",
            "implementation": "plain",
        },
        wrong=[
            *DROPOUT,
            ({"num_key_value_heads": 5}, "num_key_value_heads=5, num_heads=2"),
            ({"window": 0}, "window=0"),
            ({"rotary_base": 1}, "rotary_base=1"),
        ],
    ),
    "multi_head_window_rotary": Row(
        keras_attention.MultiHeadSelfAttention,
        {"num_heads": 4, "key_dim": 2, "window": 5, "rotary_base": 100.0, "num_key_value_heads": 2},
        call=attend_with_heads,
    ),
    "multi_head_blockwise": Row(
        keras_attention.MultiHeadAttention,
        {
            "num_heads": 6,
            "key_dim": 2,
            "num_key_value_heads": 2,
            "implementation": "blockwise",
        },
        call=attend_with_heads,
    ),
    "multi_head_self_blockwise": Row(
        keras_attention.MultiHeadSelfAttention,
        {"num_heads": 2, "key_dim": 4, "window": 5, "implementation": "blockwise"},
        call=attend_with_heads,
    ),
    "local_predictive": Row(
        keras_attention.LocalAttention,
        {"window": 3},
        others={
            **INITIALIZERS,
            "window": 2,
            "alignment": "monotonic",
            "score": "concat",
            "units": 7,
            "renormalize": True,
            "dropout": 0.25,
            "seed": 3,
        },
        wrong=[
            *DROPOUT,
            ({"window": 0}, "window=0"),
            ({"window": 2.5}, "window=2.5"),
            ({"alignment": "local-p"}, "alignment='local-p'"),
            ({"score": "location"}, "score='location'"),
            ({"renormalize": "yes"}, "renormalize='yes'"),
            ({"units": -1}, "units=-1"),
        ],
    ),
    "local_renormalized": Row(
        keras_attention.LocalAttention, {"window": 2, "score": "concat", "renormalize": True}
    ),
    "local_monotonic": Row(
        keras_attention.LocalAttention, {"window": 2, "alignment": "monotonic", "score": "dot"}
    ),
    "decoder_local": Row(
        keras_attention.AttentionDecoder,
        {
            "cell": lambda: keras.layers.GRUCell(5, **NO_QR),
            "attention": lambda: keras_attention.LocalAttention(window=2, units=3),
            "attend": "after",
            "input_feeding": True,
        },
        **CELL,
    ),
    "decoder_local_monotonic": Row(
        keras_attention.AttentionDecoder,
        {
            "cell": lambda: keras.layers.GRUCell(5, **NO_QR),
            "attention": lambda: keras_attention.LocalAttention(
                window=2, alignment="monotonic", score="concat"
            ),
        },
        **CELL,
    ),
    "self_attention_2d": Row(
        keras_attention.SelfAttention2D,
        others={
            **INITIALIZERS,
            "key_reduction": 2,
            "value_reduction": None,
            "pool_keys": True,
            "spectral_normalization": True,
            "data_format": "channels_first",
            "implementation": "plain",
        },
        wrong=[
            ({"implementation": True}, "implementation=True"),
            ({"key_reduction": 0}, "key_reduction=0"),
            ({"value_reduction": 2.5}, "value_reduction=2.5"),
            ({"pool_keys": "max"}, "pool_keys='max'"),
            ({"spectral_normalization": 1}, "spectral_normalization=1"),
            ({"data_format": "NHWC"}, "data_format='NHWC'"),
        ],
        **IMAGE,
    ),
    "self_attention_2d_released": Row(
        keras_attention.SelfAttention2D,
        {"pool_keys": True, "spectral_normalization": True},
        **IMAGE,
    ),
    "self_attention_2d_channels_first": Row(
        keras_attention.SelfAttention2D,
        {"value_reduction": None, "data_format": "channels_first", "implementation": "blockwise"},
        **IMAGE,
    ),
    "positional_encoding": Row(
        keras_attention.PositionalEncoding,
        call=add_positions,
        takes_masks=False,
        takes_causal=False,
        others={"base": 100.0, "scale": True},
        wrong=[({"base": 0}, "base=0"), ({"scale": 2}, "scale=2")],
    ),
    "encoder_block": Row(
        keras_attention.TransformerEncoderBlock,
        {"num_heads": 5, "hidden_dim": 11},
        call=encode,
        **BLOCK,
        **BLOCKS_ARGUMENTS,
    ),
    "encoder_block_pre_norm": Row(
        keras_attention.TransformerEncoderBlock,
        {"num_heads": 2, "key_dim": 3, "hidden_dim": 11, "norm": "pre"},
        call=encode,
        **BLOCK,
    ),
    "decoder_block": Row(
        keras_attention.TransformerDecoderBlock,
        {"num_heads": 5, "hidden_dim": 11},
        call=decode_block,
        **BLOCK,
        **BLOCKS_ARGUMENTS,
    ),
    "decoder_block_pre_norm": Row(
        keras_attention.TransformerDecoderBlock,
        {"num_heads": 2, "key_dim": 3, "hidden_dim": 11, "norm": "pre", "window": 2},
        call=decode_block,
        **BLOCK,
    ),
    "hard": Row(
        keras_attention.HardAttention,
        others={
            "score": "cosine",
            "estimator": "gumbel",
            "expectation_rate": 0.25,
            "temperature": 0.5,
            "inference": "expectation",
            "seed": 3,
        },
        wrong=[
            ({"score": "dott"}, "score='dott'"),
            ({"estimator": "sample"}, "estimator='sample'"),
            ({"expectation_rate": 1.0}, "expectation_rate=1.0"),
            ({"temperature": 0.5}, "estimator='reinforce', temperature=0.5"),
            ({"estimator": "gumbel", "temperature": 0}, "temperature=0"),
            ({"inference": "sample"}, "inference='sample'"),
        ],
    ),
    "hard_straight_through": Row(
        keras_attention.HardAttention,
        {"score": "scaled_dot", "estimator": "straight_through", "inference": "expectation"},
    ),
    "decoder_hard": Row(
        keras_attention.AttentionDecoder,
        {
            "cell": lambda: keras.layers.GRUCell(7, **NO_QR),
            "attention": lambda: keras_attention.HardAttention(),
        },
        **CELL,
    ),
    "ntm": Row(
        keras_attention.NTMCell,
        {"units": 3, "slots": 7, "width": 2, "controller_units": 5},
        others={
            "units": 5,
            "slots": 11,
            "width": 3,
            "read_heads": 3,
            "write_heads": 2,
            "shift_range": 2,
            "controller": "feedforward",
            "controller_units": 7,
            "memory_start": "learned",
            "address_start": "first",
            "clip": 7.5,
            "output_activation": "sigmoid",
            "return_addresses": True,
            "kernel_initializer": "he_normal",
        },
        wrong=[
            ({"units": 0}, "units=0"),
            ({"slots": 2.5}, "slots=2.5"),
            ({"width": "wide"}, "width='wide'"),
            ({"read_heads": 0}, "read_heads=0"),
            ({"write_heads": -1}, "write_heads=-1"),
            ({"shift_range": 4}, "shift_range=4, slots=7"),
            ({"controller": "gru"}, "controller='gru'"),
            ({"controller": 3}, "controller=3"),
            ({"controller_units": 0}, "controller_units=0"),
            ({"memory_start": "zeros"}, "memory_start='zeros'"),
            ({"address_start": "uniform"}, "address_start='uniform'"),
            ({"clip": 0}, "clip=0"),
            ({"return_addresses": 1}, "return_addresses=1"),
        ],
        **MEMORY,
    ),
    "ntm_feedforward_addresses": Row(
        keras_attention.NTMCell,
        {
            "units": 3,
            "slots": 7,
            "width": 2,
            "read_heads": 2,
            "write_heads": 2,
            "controller": "feedforward",
            "controller_units": 5,
            "return_addresses": True,
        },
        **MEMORY,
    ),
}
