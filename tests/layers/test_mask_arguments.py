"""The mask arguments of every layer: accepted forms, and errors that name the argument."""

import re

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention as ka

RNG = np.random.default_rng(0)
QUERY, VALUE = (RNG.normal(size=(2, steps, 8)).astype("float32") for steps in (4, 5))
QUERY_MASK = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], bool)
VALUE_MASK = np.array([[1, 1, 1, 1, 0], [1, 0, 1, 0, 0]], bool)
PAIRS = RNG.random((2, 4, 5)) < 0.6
SQUARE = RNG.random((2, 5, 5)) < 0.6


def call_query_value(layer, query, value, argument, mask):
    if argument == "mask":
        return layer(value, mask=mask)
    if argument == "attention_mask":
        return layer([query, value], attention_mask=mask)
    position = ("query_mask", "value_mask", "key_mask").index(argument)
    return layer([query, value, value], mask=[mask if i == position else None for i in range(3)])


def call_one_sequence(layer, query, value, argument, mask):
    return layer(value, **{argument: mask})


def call_two_sequences(layer, query, value, argument, mask):
    return layer(query, value, **{argument: mask})


def call_hops(layer, query, value, argument, mask):
    masks = [mask if argument == name else None for name in ("query_mask", "memory_mask")]
    return layer([query, value, value], mask=[*masks, None])


def call_with_cache(layer, query, value, argument, mask):
    if not layer.built:
        layer.build(value.shape)
    return layer(query, cache=layer.get_initial_cache(2, 5), **{argument: mask})[0]


QUERY_VALUE = {
    "query_mask": QUERY_MASK,
    "value_mask": VALUE_MASK,
    "key_mask": VALUE_MASK,
    "mask": VALUE_MASK,
    "attention_mask": PAIRS,
}
TWO_SEQUENCES = {"inputs_mask": QUERY_MASK, "memory_mask": VALUE_MASK}
LAYERS = {
    "Attention": (ka.Attention, call_query_value, QUERY_VALUE),
    "AdditiveAttention": (lambda: ka.AdditiveAttention(3), call_query_value, QUERY_VALUE),
    "LuongAttention": (lambda: ka.LuongAttention("general"), call_query_value, QUERY_VALUE),
    "HardAttention": (lambda: ka.HardAttention(), call_query_value, QUERY_VALUE),
    "LocalAttention": (
        lambda: ka.LocalAttention(1, "monotonic"),
        call_query_value,
        QUERY_VALUE,
    ),
    "MultiHeadAttention": (lambda: ka.MultiHeadAttention(2, 4), call_query_value, QUERY_VALUE),
    "MultiHeadSelfAttention": (
        lambda: ka.MultiHeadSelfAttention(2, 2, window=1),
        call_one_sequence,
        {"mask": VALUE_MASK, "attention_mask": SQUARE},
    ),
    "MultiHeadSelfAttention with a cache": (
        lambda: ka.MultiHeadSelfAttention(2, 2),
        call_with_cache,
        {"mask": QUERY_MASK, "attention_mask": PAIRS},
    ),
    "MultiHopAttention": (
        lambda: ka.MultiHopAttention(1),
        call_hops,
        {"query_mask": QUERY_MASK, "memory_mask": VALUE_MASK},
    ),
    "AttentionPooling": (ka.AttentionPooling, call_one_sequence, {"mask": VALUE_MASK}),
    "TransformerEncoderBlock": (
        lambda: ka.TransformerEncoderBlock(2, 6),
        call_one_sequence,
        {"mask": VALUE_MASK, "attention_mask": SQUARE},
    ),
    "TransformerDecoderBlock": (
        lambda: ka.TransformerDecoderBlock(2, 6),
        call_two_sequences,
        TWO_SEQUENCES,
    ),
    "AttentionDecoder": (
        lambda: ka.AttentionDecoder(keras.layers.GRUCell(6), ka.AdditiveAttention(4)),
        call_two_sequences,
        TWO_SEQUENCES,
    ),
    "PointerDecoder": (lambda: ka.PointerDecoder(6), call_two_sequences, TWO_SEQUENCES),
}
ARGUMENTS = [(name, argument) for name, (*_, masks) in LAYERS.items() for argument in masks]


def every_argument(test):
    return pytest.mark.parametrize(("name", "argument"), ARGUMENTS)(test)


def masks_of_wrong_shapes(mask):
    longer = [(0, 0)] * (mask.ndim - 1) + [(0, 2)]
    yield np.pad(mask, longer)
    yield mask[..., None, None, None]
    if mask.ndim == 2:
        yield mask[:, :1]
        yield mask[:1]
        yield mask[0]


def masks_with_wrong_values(mask):
    yield np.where(mask, 0.0, -1e9)
    yield np.where(mask, 0.0, -np.inf).astype("float32")
    yield np.where(mask, 7, 0)
    yield np.where(mask, np.nan, 0.0)
    yield np.where(mask, "yes", "no").tolist()


@every_argument
def test_error_names_the_wrong_mask(name, argument):
    create, call, masks = LAYERS[name]
    layer = create()
    for mask in (
        *masks_of_wrong_shapes(masks[argument]),
        *masks_with_wrong_values(masks[argument]),
    ):
        with pytest.raises(ValueError, match=rf"Expected `{argument}`.*Received: "):
            call(layer, QUERY, VALUE, argument, mask)


@every_argument
def test_functional_model_refuses_wrong_masks(name, argument):
    create, call, masks = LAYERS[name]
    layer = create()
    query, value = (keras.Input(batch_shape=x.shape) for x in (QUERY, VALUE))
    wrong = [
        keras.Input(batch_shape=m.shape, dtype="bool")
        for m in masks_of_wrong_shapes(masks[argument])
    ]
    for mask in (*wrong, *masks_with_wrong_values(masks[argument])):
        with pytest.raises(ValueError, match=rf"Expected `{argument}`.*Received: "):
            call(layer, query, value, argument, mask)


@every_argument
def test_masks_may_be_lists_arrays_or_tensors_of_any_numeric_dtype(name, argument):
    create, call, masks = LAYERS[name]
    layer, mask = create(), masks[argument]
    expected = ops.convert_to_numpy(call(layer, QUERY, VALUE, argument, mask))
    forms = [mask.tolist(), mask.astype("int32"), mask.astype("float32")]
    forms.append(ops.convert_to_tensor(mask))
    for form in forms:
        actual = ops.convert_to_numpy(call(layer, QUERY, VALUE, argument, form))
        np.testing.assert_array_equal(actual, expected)


BROADCASTABLE = [name for name, (*_, masks) in LAYERS.items() if "attention_mask" in masks]


@pytest.mark.parametrize("name", BROADCASTABLE)
def test_attention_mask_is_broadcast(name):
    create, call, masks = LAYERS[name]
    layer, pairs = create(), masks["attention_mask"]
    for mask in (pairs[:1], pairs[0], pairs[:, :1], pairs[..., :1], pairs[0, 0], pairs[0, :, :1]):
        full = np.broadcast_to(mask, pairs.shape)
        expected = ops.convert_to_numpy(call(layer, QUERY, VALUE, "attention_mask", full))
        actual = ops.convert_to_numpy(call(layer, QUERY, VALUE, "attention_mask", mask))
        np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_methods_for_decoding_loops_refuse_wrong_masks():
    decoder = ka.AttentionDecoder(keras.layers.GRUCell(6), ka.AdditiveAttention(4))
    pointer, block = ka.PointerDecoder(6), ka.TransformerDecoderBlock(2, 6)
    for layer in (decoder, pointer, block):
        layer(QUERY, VALUE)
    pointer(np.array([[1], [2]]), VALUE, VALUE)
    for mask in (*masks_of_wrong_shapes(VALUE_MASK), *masks_with_wrong_values(VALUE_MASK)):
        for prepare in (
            decoder.prepare,
            pointer.prepare,
            pointer.decode,
            block.prepare,
            lambda memory, memory_mask: block.get_initial_cache(memory, 5, memory_mask),
        ):
            with pytest.raises(ValueError, match="Expected `memory_mask`"):
                prepare(VALUE, memory_mask=mask)


def test_error_explains_how_to_convert_an_additive_mask():
    mask = np.where(PAIRS, 0.0, -1e9)
    layer = ka.MultiHeadAttention(2, 4)
    message = re.escape(
        "pass `attention_mask == 0`, or pass it to a multi-head layer as `attention_bias`"
    )
    with pytest.raises(ValueError, match=message):
        layer([QUERY, VALUE], attention_mask=mask)
    expected = layer([QUERY, VALUE], attention_mask=mask == 0)
    actual = layer([QUERY, VALUE], attention_bias=mask[:, None].astype("float32"))
    np.testing.assert_allclose(
        ops.convert_to_numpy(actual), ops.convert_to_numpy(expected), atol=1e-6
    )


def test_error_names_the_source_of_a_keras_mask():
    class Stride(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.supports_masking = True

        def call(self, x):
            return x[:, ::2]

    message = r"Expected `mask` of shape \(.*, 2\). Received: .*Embedding"
    for words in (keras.Input((4,), dtype="int32"), np.array([[1, 2, 3, 0]])):
        x = Stride()(keras.layers.Embedding(5, 8, mask_zero=True)(words))
        for layer in (ka.MultiHeadSelfAttention(2), ka.AttentionPooling(), ka.Attention()):
            with pytest.raises(ValueError, match=message):
                layer(x)
            layer(x, mask=ops.ones_like(x[..., 0], "bool"))


def test_error_explains_how_to_pass_query_and_value():
    with pytest.raises(ValueError, match=r"pass one list, `layer\(\[query, value\]\)`"):
        ka.MultiHeadAttention(2, 4)(QUERY, VALUE)


def test_compiled_model_accepts_a_float_mask_of_zeros_and_ones():
    query, value = keras.Input((4, 8)), keras.Input((5, 8))
    mask = keras.Input((4, 5), dtype="float32")
    model = keras.Model([query, value, mask], ka.Attention()([query, value], attention_mask=mask))
    actual = model.predict([QUERY, VALUE, PAIRS.astype("float32")], verbose=0)
    expected = ka.Attention()([QUERY, VALUE], attention_mask=PAIRS)
    np.testing.assert_allclose(actual, ops.convert_to_numpy(expected), atol=1e-6)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only TensorFlow graphs have unknown lengths"
)
@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize(
    "create", [lambda: ka.MultiHeadSelfAttention(2, 2), ka.AttentionPooling], ids=["heads", "pool"]
)
def test_mask_of_one_column_is_refused_in_a_graph_of_unknown_length(create, jit_compile):
    import tensorflow as tf

    layer = create()
    layer(VALUE)

    @tf.function(
        jit_compile=jit_compile,
        input_signature=[tf.TensorSpec((None, None, 8)), tf.TensorSpec((None, None), tf.bool)],
    )
    def attend(x, mask):
        return layer(x, mask=mask)

    expected = layer(VALUE, mask=VALUE_MASK)
    np.testing.assert_allclose(attend(VALUE, VALUE_MASK), expected, atol=1e-6)
    for mask in (VALUE_MASK[:, :1], VALUE_MASK.T[:, :1]):
        with pytest.raises(tf.errors.InvalidArgumentError):
            attend(VALUE, mask)
