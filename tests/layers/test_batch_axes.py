"""A query or memory of batch size 1 is broadcast; results and gradients match explicit copies."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention as ka
from keras_attention.batch_axes import broadcast_batch, join_batch
from keras_attention.layers.call_arguments.inputs import prepare_inputs
from keras_attention.read import weighted_sum
from keras_attention.score import DotScore
from keras_attention.testing.gradients import outputs_and_gradients

on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="needs TensorFlow graphs"
)
RNG = np.random.default_rng(0)
LAYERS = {
    "one head": lambda: ka.MultiHeadAttention(1, 8),
    "one key head": lambda: ka.MultiHeadAttention(4, 2, num_key_value_heads=1),
    "heads, blockwise": lambda: ka.MultiHeadAttention(2, 4, implementation="blockwise"),
    "self-attention": lambda: ka.MultiHeadSelfAttention(2, 4, window=3, rotary_base=100.0),
    "additive": lambda: ka.AdditiveAttention(8),
    "additive, blockwise": lambda: ka.AdditiveAttention(8, implementation="blockwise"),
    "dot": lambda: ka.Attention("scaled_dot"),
    "dot, blockwise": lambda: ka.Attention("scaled_dot", implementation="blockwise"),
    "cosine": lambda: ka.Attention("cosine", normalize="sparsemax"),
    "general": lambda: ka.LuongAttention("general", units=5),
    "location": lambda: ka.LuongAttention("location", max_length=200),
    "monotonic": lambda: ka.LocalAttention(3, "monotonic"),
    "predictive": lambda: ka.LocalAttention(3, units=3),
    "hard": lambda: ka.HardAttention(seed=1),
}
DECODERS = {
    "decoder": lambda: ka.AttentionDecoder(keras.layers.GRUCell(8), ka.AdditiveAttention(4)),
    "decoder, one key head": lambda: ka.AttentionDecoder(
        keras.layers.GRUCell(8),
        ka.MultiHeadAttention(2, 4, num_key_value_heads=1),
        attend="after",
    ),
    "decoder, monotonic": lambda: ka.AttentionDecoder(
        keras.layers.GRUCell(8), ka.LocalAttention(2, "monotonic"), attend="after"
    ),
    "block": lambda: ka.TransformerDecoderBlock(2, 8, dropout=0.0, num_key_value_heads=1),
    "pointer": lambda: ka.PointerDecoder(8),
}
SIZES = [(3, 32, 34), (8, 64, 64), (16, 10, 10), (2, 100, 20), (4, 5, 7)]


def call(layer, query, value, query_mask=None, value_mask=None):
    if isinstance(layer, (ka.AttentionDecoder, ka.TransformerDecoderBlock, ka.PointerDecoder)):
        return layer(query, value, memory_mask=value_mask)
    return layer([query, value], mask=[query_mask, value_mask])


def arrays(batches, queries=5, keys=7):
    """Return query, value and their masks; `batches` are the batch sizes of query and value."""
    shapes = zip(batches, (queries, keys), strict=True)
    inputs = [RNG.normal(size=(batch, steps, 8)).astype("float32") for batch, steps in shapes]
    return *inputs, *(RNG.random(x.shape[:2]) < 0.8 for x in inputs)


def repeat(x, batch):
    return np.repeat(x, batch // x.shape[0], 0)


def evaluate(layer, inputs, run=None):
    """Return the output and the gradients of query and value, as numpy arrays."""
    if run is None:
        if not layer.built:
            call(layer, *(keras.KerasTensor(x.shape, str(x.dtype)) for x in inputs))
        run = create_program(layer)
    tensors = [ops.convert_to_tensor(x) for x in inputs]
    return [ops.convert_to_numpy(x) for x in run(*tensors)]


def create_program(layer):
    """Return a function of query, value and masks that returns output and gradients.

    On JAX it is compiled.
    """

    def compute(*tensors):
        output = call(layer, *tensors)
        return ops.sum(ops.sin(output)), output

    differentiate = outputs_and_gradients(compute, 2, [])

    def run(*tensors):
        output, (query_gradient, value_gradient) = differentiate(*tensors)
        return output, query_gradient, value_gradient

    return run


def assert_matches_copies(layer, inputs, run=None):
    batch = max(x.shape[0] for x in inputs)
    actual = evaluate(layer, inputs, run)
    expected = evaluate(layer, [repeat(x, batch) for x in inputs])
    for i, x in enumerate(inputs[:2], start=1):
        if x.shape[0] == 1:
            expected[i] = np.sum(expected[i], axis=0, keepdims=True)
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-4, atol=1e-4)
    return actual


@pytest.mark.parametrize("batches", [(4, 1), (1, 4)])
@pytest.mark.parametrize("name", LAYERS)
def test_a_batch_of_one_is_broadcast(name, batches):
    layer, inputs = LAYERS[name](), arrays(batches)
    output, *_ = assert_matches_copies(layer, inputs)
    shapes = [x.shape for x in inputs[:2]]
    assert tuple(layer.compute_output_shape(shapes)) == output.shape
    symbolic_inputs = [keras.KerasTensor(shape) for shape in shapes]
    spec, scores = layer.compute_output_spec(symbolic_inputs, return_attention_scores=True)
    _, weights = layer([*inputs[:2]], return_attention_scores=True)
    assert (tuple(spec.shape), tuple(scores.shape)) == (output.shape, tuple(weights.shape))


@pytest.mark.parametrize("name", DECODERS)
def test_decoders_broadcast_a_memory_of_batch_one(name):
    assert_matches_copies(DECODERS[name](), arrays((4, 1)))


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX compiles each size separately")
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("name", ["one head", "one key head", "monotonic"])
def test_broadcast_is_right_for_sizes_at_which_a_tensorflow_product_is_wrong(name, sizes):
    batch, queries, keys = sizes
    assert_matches_copies(LAYERS[name](), arrays((batch, 1), queries, keys))


def create_graph(layer, steps, compiled=False):
    import tensorflow as tf

    @tf.function(
        input_signature=[
            *(tf.TensorSpec((None, n, 8)) for n in steps),
            *(tf.TensorSpec((None, n), tf.bool) for n in steps),
        ],
        jit_compile=compiled,
    )
    def run(query, value, *masks):
        with tf.GradientTape() as tape:
            tape.watch([query, value])
            output = call(layer, query, value, *masks)
            loss = tf.reduce_sum(tf.sin(output))
        return output, *tape.gradient(loss, [query, value], unconnected_gradients="zero")

    return run


@on_tensorflow
@pytest.mark.parametrize(
    "name",
    ["one key head", "heads, blockwise", "additive, blockwise", "general", "monotonic"],
)
def test_graphs_of_unknown_batch_broadcast_at_run_time(name):
    layer = LAYERS[name]()
    run = create_graph(layer, (5, 7))
    for batches in ((4, 1), (1, 4), (4, 4), (1, 1)):
        assert_matches_copies(layer, arrays(batches), run)


@on_tensorflow
@pytest.mark.parametrize("name", ["decoder, one key head", "block", "pointer"])
def test_graphs_of_decoders_broadcast_at_run_time(name):
    layer = DECODERS[name]()
    run = create_graph(layer, (5, 7))
    for batches in ((4, 1), (4, 4)):
        assert_matches_copies(layer, arrays(batches), run)


@on_tensorflow
@pytest.mark.parametrize("name", ["one head", "additive"])
def test_compiled_graphs_broadcast(name):
    layer = LAYERS[name]()
    assert_matches_copies(layer, arrays((4, 1)), create_graph(layer, (5, 7), compiled=True))


@on_tensorflow
def test_unequal_batches_in_a_graph_raise_an_error():
    import tensorflow as tf

    with pytest.raises(tf.errors.InvalidArgumentError, match="Incompatible shapes"):
        create_graph(ka.AdditiveAttention(), (5, 7))(*arrays((2, 3)))


@on_tensorflow
@pytest.mark.parametrize("name", ["decoder", "block", "pointer"])
def test_memory_of_another_batch_in_a_graph_raises_an_error_that_names_it(name):
    import tensorflow as tf

    run = create_graph(DECODERS[name](), (5, 7))
    for batches in ((1, 4), (2, 3)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="expected_memory_of_the_batch_of"):
            run(*arrays(batches))


@on_tensorflow
@pytest.mark.parametrize(
    ("name", "lengths"),
    [
        ("self-attention", (None, None)),
        ("heads, blockwise", (5, 7)),
        ("additive, blockwise", (5, 7)),
        ("monotonic", (5, 7)),
        ("decoder, monotonic", (5, 7)),
        ("block", (5, 7)),
        ("pointer", (None, None)),
    ],
)
def test_masks_of_batch_one_in_a_graph_of_unknown_batch_are_broadcast(name, lengths):
    layer = (LAYERS | DECODERS)[name]()
    run = create_graph(layer, lengths)
    query, value, *masks = arrays((4, 4))
    masks = [mask[:1] for mask in masks]
    expected = run(query, value, *(repeat(mask, 4) for mask in masks))
    for actual, correct in zip(run(query, value, *masks), expected, strict=True):
        np.testing.assert_allclose(actual, correct, rtol=1e-5, atol=1e-5)


@on_tensorflow
def test_step_of_a_decoding_loop_accepts_a_memory_of_batch_one():
    import tensorflow as tf

    layer = ka.MultiHeadAttention(4, 2, num_key_value_heads=1)
    query, memory = arrays((4, 1))[:2]
    expected = layer([query[:, 0], repeat(memory, 4)])

    signature = [tf.TensorSpec((None, 8)), tf.TensorSpec((None, 7, 8))]

    @tf.function(input_signature=signature, autograph=False)
    def step(query, memory):
        return layer.attend(query, layer.prepare(memory))[0]

    np.testing.assert_allclose(step(query[:, 0], memory), expected, rtol=1e-5, atol=1e-5)


@on_tensorflow
def test_a_broadcast_in_a_compiled_loop_has_a_gradient():
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((None, 2, 3))] * 2, jit_compile=True)
    def run(query, value):
        with tf.GradientTape() as tape:
            tape.watch([query, value])
            total = tf.zeros(())
            for _ in tf.range(2):
                q, v, *_ = broadcast_batch(query, value, value)
                total += tf.reduce_sum(q * v)
        return tape.gradient(total, [query, value])

    query, value = np.ones((4, 2, 3), "float32"), np.full((1, 2, 3), 3.0, "float32")
    for grad, expected in zip(run(query, value), (6.0, 8.0), strict=True):
        np.testing.assert_allclose(grad, np.full(grad.shape, expected))


def test_functions_broadcast_a_value_of_batch_one():
    weights, value = RNG.normal(size=(4, 1, 5, 7)), RNG.normal(size=(1, 1, 7, 16))
    weights, value = weights.astype("float32"), value.astype("float32")
    keys = np.swapaxes(value, -1, -2)
    for actual in (weighted_sum(weights, value), DotScore()(weights, keys)):
        np.testing.assert_allclose(actual, weights @ value, rtol=1e-4, atol=1e-4)


def test_equal_batches_are_returned_unchanged():
    query, value, *masks = arrays((4, 4))
    query, value, *masks = map(ops.convert_to_tensor, (query, value, *masks))
    prepared = prepare_inputs([query, value], masks)
    assert all(a is b for a, b in zip(prepared, (query, value, value, *masks), strict=True))
    symbol = keras.KerasTensor((None, 5, 8))
    assert all(x is symbol for x in prepare_inputs(symbol, None)[:3])


def test_batch_axes_are_joined():
    assert join_batch((3, 1, None), (1, None, None), (3, 1, 1)) == (3, None, None)
    assert join_batch((0,), (1,)) == (0,)
    assert join_batch((None,), (3,)) == (3,)


def test_error_names_inputs_of_unequal_batches():
    inputs = arrays((2, 3))[:2]
    message = r"the same batch in query, value and key.*query \(2, 5, 8\), value \(3, 7, 8\)"
    for layer in (ka.AdditiveAttention(), ka.MultiHeadAttention(2)):
        with pytest.raises(ValueError, match=message):
            layer(list(inputs))
        with pytest.raises(ValueError, match=message):
            layer.compute_output_shape([x.shape for x in inputs])
