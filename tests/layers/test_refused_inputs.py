"""Errors for inputs of an undocumented rank, and for ragged, sparse and text inputs."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention as ka

X = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
QUERY_VALUE = {
    "attention": ka.Attention,
    "additive": ka.AdditiveAttention,
    "luong": ka.LuongAttention,
    "local": lambda: ka.LocalAttention(2),
    "hard": ka.HardAttention,
    "multi-head": lambda: ka.MultiHeadAttention(2),
    "self-attention": lambda: ka.MultiHeadSelfAttention(2),
}
SEQUENCE = {
    **QUERY_VALUE,
    "pooling": ka.AttentionPooling,
    "encoder block": lambda: ka.TransformerEncoderBlock(2, 4),
    "positions": ka.PositionalEncoding,
    "time reduction": ka.TimeReduction,
}
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="ragged tensors are TensorFlow's"
)


@pytest.mark.parametrize("name", SEQUENCE)
def test_one_vector_per_sample_is_refused(name):
    with pytest.raises(ValueError, match=r"Expected `inputs` .*\(batch, .*T, "):
        SEQUENCE[name]()(X[:, 0])
    with pytest.raises(ValueError, match=r"Expected `inputs` .*\(batch, .*T, "):
        SEQUENCE[name]()(keras.Input((4,)))
    layer = SEQUENCE[name]()
    layer(X)
    with pytest.raises(ValueError, match="Expected `inputs`|expected ndim=3"):
        layer(X[:, 0])


def test_error_mentions_return_sequences_and_embedding():
    layers = [keras.Input((7, 3)), keras.layers.LSTM(6), ka.MultiHeadSelfAttention(2)]
    with pytest.raises(ValueError, match="return_sequences=True.*Embedding"):
        keras.Sequential(layers)


def test_layer_in_a_sequential_model_computes_self_attention():
    model = keras.Sequential([keras.Input((3, 4)), ka.AdditiveAttention()])
    assert model(X).shape == (2, 3, 4)


@pytest.mark.parametrize("name", ["multi-head", "self-attention"])
def test_images_are_refused_by_multi_head_layers(name):
    image = np.ones((2, 5, 3, 4), "float32")
    layer = QUERY_VALUE[name]()
    for x in (image, keras.Input((5, 3, 4))):
        with pytest.raises(ValueError, match=r"height \* width, channels.*TimeDistributed"):
            QUERY_VALUE[name]()(x)
    layer(X)
    for inputs in (image, [image[:, :1], image]):
        with pytest.raises(ValueError, match=r"height \* width, channels.*TimeDistributed"):
            layer(inputs)
    rows = ops.convert_to_numpy(keras.layers.TimeDistributed(layer)(image))
    expected = ops.convert_to_numpy(layer(image[:, 1]))
    np.testing.assert_allclose(rows[:, 1], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["attention", "additive", "luong", "local", "hard", "pooling"])
def test_inputs_may_have_any_number_of_batch_axes(name):
    x = np.random.default_rng(1).normal(size=(2, 1, 2, 1, 2, 3, 4)).astype("float32")
    layer = SEQUENCE[name]()
    actual = ops.convert_to_numpy(layer(x))
    expected = ops.convert_to_numpy(layer(x.reshape(8, 3, 4)))
    np.testing.assert_allclose(actual.reshape(expected.shape), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", QUERY_VALUE)
def test_error_asks_for_query_and_value_in_one_list(name):
    layer = QUERY_VALUE[name]()
    for call in (lambda: layer(X, X), lambda: layer(query=X, value=X), lambda: layer(X, value=X)):
        with pytest.raises(ValueError, match=r"one list.*layer\(\[query, value, key\]\)"):
            call()


def create_ragged(width=2):
    import tensorflow as tf

    if width is None:
        return tf.ragged.constant([[[1.0], [2.0, 3.0]], [[4.0]]])
    return tf.ragged.constant([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0]]], ragged_rank=1)


def create_sparse():
    import tensorflow as tf

    return tf.sparse.from_dense(tf.ones((2, 3, 2)))


@on_tensorflow
@pytest.mark.parametrize(
    ("create", "message"),
    [
        (create_ragged, r"`inputs` to be dense. Pad .*to_tensor\(\).*mask.*RaggedTensor"),
        (create_sparse, "`inputs` to be dense.*SparseTensor"),
        (lambda: np.array([[["a", "b"]]]), "`inputs` to be numbers. .*TextVectorization"),
    ],
    ids=["ragged", "sparse", "text"],
)
@pytest.mark.parametrize("name", SEQUENCE)
def test_ragged_sparse_and_text_are_refused(name, create, message):
    for as_list in (False, True) if name in QUERY_VALUE else (False,):
        x = create()
        with pytest.raises(ValueError, match=message):
            SEQUENCE[name]()([x, x] if as_list else x)


@on_tensorflow
@pytest.mark.parametrize("is_built", [False, True])
@pytest.mark.parametrize("width", [None, 2])
@pytest.mark.parametrize("name", SEQUENCE)
def test_ragged_tensors_of_another_width_raise_the_error_for_ragged_inputs(name, width, is_built):
    layer, x = SEQUENCE[name](), create_ragged(width)
    if is_built:
        layer([X, X] if name in QUERY_VALUE else X)
    with pytest.raises(ValueError, match=r"`inputs` to be dense.*to_tensor"):
        layer([x, x] if name in QUERY_VALUE else x)


@on_tensorflow
@pytest.mark.parametrize("is_built", [False, True])
@pytest.mark.parametrize("width", [None, 2])
def test_decoders_refuse_ragged_tensors(width, is_built):
    for layer in (
        ka.AttentionDecoder(keras.layers.GRUCell(4), ka.AdditiveAttention()),
        ka.TransformerDecoderBlock(2, 8),
        ka.PointerDecoder(4),
    ):
        if is_built:
            layer(X, X)
        with pytest.raises(ValueError, match=r"`memory` to be dense.*to_tensor"):
            layer(X, create_ragged(width))
        with pytest.raises(ValueError, match=r"`inputs` to be dense.*to_tensor"):
            layer(create_ragged(width), memory=X)


@pytest.mark.parametrize("inputs", [[X, None], [X, X, None]])
def test_none_in_the_list_is_refused(inputs):
    with pytest.raises(ValueError, match=r"Expected `inputs` to be a tensor, \[query, value\]"):
        ka.Attention()(inputs)


def test_pooling_error_names_the_source_of_a_mask_with_an_extra_axis():
    words = keras.Input((3, 4), dtype="int32")
    embedded = keras.layers.Embedding(9, 5, mask_zero=True)(words)
    sentences = keras.layers.TimeDistributed(ka.AttentionPooling())(embedded)
    with pytest.raises(ValueError, match="`keras.layers.TimeDistributed`.*sentences, words, D"):
        keras.Model(words, ka.AttentionPooling()(sentences))(np.ones((1, 3, 4), "int32"))
    document = ka.AttentionPooling()(ka.AttentionPooling()(embedded))
    assert keras.Model(words, document)(np.ones((1, 3, 4), "int32")).shape == (1, 5)
