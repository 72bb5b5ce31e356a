"""Memory use, dropout and initializers of LocalAttention, and training of predicted centers."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import LocalAttention
from keras_attention.kernels.local.bands import rows_per_band
from tests.compile_model import compile_model
from tests.layers.query_value.local_formulas import (
    KEY_MASK,
    QUERY,
    VALUE,
    assert_close,
    build,
    numpy,
)

LENGTH, WINDOW, UNITS = 2048, 4, 64
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="inspects a TensorFlow graph"
)


def list_tensor_sizes(function, *arrays):
    """Return the number of elements of each tensor in the function's graph."""
    import tensorflow as tf

    inputs = [tf.TensorSpec(x.shape, x.dtype) for x in arrays]
    graph = tf.function(function).get_concrete_function(*inputs).graph
    shapes = [x.shape for operation in graph.get_operations() for x in operation.outputs]
    assert all(shape.rank is not None for shape in shapes)
    return [int(np.prod([size or 1 for size in shape])) for shape in shapes]


@on_tensorflow
@pytest.mark.parametrize("alignment", ["predictive", "monotonic"])
@pytest.mark.parametrize("return_weights", [False, True], ids=["context", "weights"])
def test_no_tensor_has_an_element_for_every_pair(alignment, return_weights):
    import tensorflow as tf

    layer = LocalAttention(WINDOW, alignment, "concat")
    sequence = np.zeros((1, LENGTH, UNITS), "float32")
    mask = np.ones((1, LENGTH), bool)

    def training_step(query, value, query_mask, value_mask):
        with tf.GradientTape() as tape:
            tape.watch([query, value])
            mask = [query_mask, value_mask]
            results = layer(
                [query, value], mask=mask, return_attention_scores=return_weights, training=True
            )
            loss = sum(tf.reduce_sum(x**2) for x in tf.nest.flatten(results))
        return tape.gradient(loss, [query, value, *layer.trainable_variables])

    layer([sequence[:, :2], sequence[:, :2]])
    largest = max(list_tensor_sizes(training_step, sequence, sequence, mask, mask))
    # Eight queries of local-m share a band, which is 7 keys wider than a window.
    columns = 2 * WINDOW + {"predictive": 1, "monotonic": 8}[alignment]
    assert largest == max(LENGTH * columns * UNITS, return_weights * LENGTH * LENGTH)


@on_tensorflow
@pytest.mark.parametrize("causal", [False, True])
def test_overlapping_windows_are_gathered_once(causal):
    layer = LocalAttention(WINDOW, "monotonic", "dot")
    sequence = np.zeros((1, LENGTH, UNITS), "float32")
    mask = np.ones((1, LENGTH), bool)

    def attend(sequence, mask):
        return layer(sequence, mask=mask, use_causal_mask=causal)

    layer(sequence[:, :2])
    rows = rows_per_band(LENGTH, WINDOW)
    bands = LENGTH * (rows + 2 * WINDOW) // rows * UNITS
    assert max(list_tensor_sizes(attend, sequence, mask)) == bands < 1.5 * sequence.size


def test_dropout_keeps_the_mean():
    layer = LocalAttention(2, score="dot", dropout=0.5, seed=1)
    query, value = np.zeros((1, 4001, 3), "float32"), np.ones((1, 7, 3), "float32")
    expected = numpy(layer([query, value]))
    with_dropout, weights = layer([query, value], training=True, return_attention_scores=True)
    np.testing.assert_allclose(numpy(with_dropout).mean(), expected.mean(), rtol=0.03)
    np.testing.assert_allclose(numpy(weights).sum(-1), expected[..., 0], rtol=1e-5)
    assert (numpy(with_dropout) == 0).any()
    np.testing.assert_array_equal(numpy(layer([query, value], training=False)), expected)


def test_predicted_centers_move_to_the_positions_that_the_loss_rewards():
    """Keys are equal, so that only their positions differ."""
    keys, expected = 11, np.array([2, 4, 6, 8])
    queries = keras.Input((4, 4))
    values = keras.Input((keys, 4))
    layer = LocalAttention(5)
    _, weights = layer([queries, values], return_attention_scores=True)
    model = keras.Model([queries, values], weights)
    compile_model(
        model,
        keras.optimizers.Adam(0.05),
        lambda y, weights: -ops.mean(ops.sum(y * weights, axis=-1)),
    )
    data = [np.eye(4, dtype="float32")[None], np.zeros((1, keys, 4), "float32")]
    target = np.eye(keys, dtype="float32")[expected][None]
    before = numpy(model(data)).argmax(-1)[0]
    model.fit(data, target, epochs=150, verbose=0)
    assert (before != expected).sum() >= 2
    assert numpy(model(data)).argmax(-1)[0].tolist() == expected.tolist()


def test_initializer_applies_to_all_weights():
    options = {"kernel_initializer": keras.initializers.RandomUniform(-0.1, 0.1)}
    layer = LocalAttention(2, units=2, **options)
    layer([QUERY, VALUE])
    output_kernel, position_kernel, position_scale, kernel = map(numpy, layer.weights)
    assert [x.shape for x in (position_kernel, position_scale)] == [(3, 3), (3, 1)]
    for weight in (output_kernel, position_kernel, position_scale, kernel):
        assert 0 < abs(weight).max() <= 0.1
    assert len(set(position_kernel.ravel()) & set(kernel.ravel())) == 0


def test_positions_can_have_any_integer_dtype():
    layer = build("monotonic")
    expected = numpy(layer([QUERY, VALUE], mask=[None, KEY_MASK]))
    for dtype in ("int32", "int64", "uint8"):
        positions = np.arange(5).astype(dtype)
        results = layer([QUERY, VALUE], mask=[None, KEY_MASK], positions=positions)
        assert_close([results], [expected], 1e-6)
