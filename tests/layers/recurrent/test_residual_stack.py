"""ResidualStack: its sums, the shared input, depth, the query of a decoder, dropout, saving."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention

UNITS, STEPS = 4, 5


def numpy(x):
    return ops.convert_to_numpy(x)


def data(width=UNITS, batch=2):
    return np.random.default_rng(0).normal(size=(batch, STEPS, width)).astype("float32")


def make_cells(count=3, **options):
    return [keras.layers.LSTMCell(UNITS, **options) for _ in range(count)]


def run(cell, x, **options):
    return keras.layers.RNN(cell, return_sequences=True)(x, **options)


def test_without_residuals_it_equals_keras_stack():
    cells, x = make_cells(), data()
    stack = keras_attention.ResidualStack(cells, residual_from=3)
    expected = run(keras.layers.StackedRNNCells(cells), x)
    np.testing.assert_allclose(numpy(run(stack, x)), numpy(expected), atol=1e-6)


@pytest.mark.parametrize("residual_from", [0, 1, 2])
def test_every_cell_gets_the_shared_input_and_upper_cells_add_theirs(residual_from):
    shared = 3
    cells, x = make_cells(), data(UNITS + shared)
    stack = keras_attention.ResidualStack(cells, residual_from, shared_width=shared)
    actual = numpy(run(stack, x))
    layer = x[..., :UNITS]
    for k, cell in enumerate(cells):
        output = numpy(run(cell, np.concatenate([layer, x[..., UNITS:]], axis=-1)))
        layer = output + layer if k >= residual_from else output
    np.testing.assert_allclose(actual, layer, atol=1e-6)


def test_gradients_reach_the_bottom_of_a_deep_stack_only_with_residuals():
    x = data()

    def sensitivity(residual_from):
        keras.utils.set_random_seed(0)
        stack = keras_attention.ResidualStack(make_cells(12), residual_from)
        return np.abs(numpy(run(stack, x + 0.1) - run(stack, x))).mean()

    assert sensitivity(1) > 100 * sensitivity(12)


def test_the_bottom_cell_queries_the_attention():
    attention = keras_attention.AdditiveAttention(3)
    memory, inputs = data(6), data()
    cells = [keras.layers.LSTMCell(5), *make_cells(2)]
    stack = keras_attention.ResidualStack(cells, shared_width=6)
    decoder = keras_attention.AttentionDecoder(stack, attention)
    outputs, alignments = (numpy(x) for x in decoder(inputs, memory, return_attention_scores=True))
    prepared, state = decoder.prepare(memory), decoder.get_initial_state(2)
    for t in range(STEPS):
        query = state.cell[0][0]  # h of the bottom cell
        assert query.shape == (2, 5)
        _, weights = attention([query[:, None], memory], return_attention_scores=True)
        np.testing.assert_allclose(numpy(weights)[:, 0], alignments[:, t], atol=1e-6)
        output, _, state = decoder.step(inputs[:, t], state, prepared)
        np.testing.assert_allclose(numpy(output), outputs[:, t], atol=1e-6)


def test_masked_steps_leave_the_states_unchanged():
    stack, x = keras_attention.ResidualStack(make_cells()), data()
    mask = np.array([[True, False, True, True, False]] * 2)
    rnn = keras.layers.RNN(stack, return_state=True)
    padded, shorter = rnn(x, mask=mask), rnn(x[:, mask[0]])
    for actual, expected in zip(*map(keras.tree.flatten, (padded, shorter)), strict=True):
        np.testing.assert_allclose(numpy(actual), numpy(expected), atol=1e-6)


def test_dropout_works_in_a_decoder_and_is_refused_in_an_rnn():
    stack = keras_attention.ResidualStack(make_cells(dropout=0.5), shared_width=6)
    decoder = keras_attention.AttentionDecoder(stack, keras_attention.AdditiveAttention(3))
    memory, inputs = data(6), data()
    first, second = (numpy(decoder(inputs, memory, training=True)) for _ in range(2))
    assert np.abs(first - second).max() > 1e-3
    assert np.abs(numpy(decoder(inputs, memory)) - first).max() > 1e-3
    rnn = keras.layers.RNN(keras_attention.ResidualStack(make_cells(dropout=0.5)))
    rnn(inputs)
    with pytest.raises(ValueError, match="Expected `cells` without dropout in training"):
        rnn(inputs, training=True)


def test_widths_that_cannot_be_added_are_refused():
    cells = [*make_cells(2), keras.layers.GRUCell(7)]
    stack = keras_attention.ResidualStack(cells)
    with pytest.raises(ValueError, match=r"`cells\[2\]` with an output of width 4.*width 7"):
        run(stack, data())
    with pytest.raises(ValueError, match="more than 4 features"):
        run(keras_attention.ResidualStack(make_cells(), shared_width=4), data())


def test_a_saved_decoder_gives_equal_outputs(tmp_path):
    stack = keras_attention.ResidualStack(make_cells(), shared_width=6)
    inputs, memory = keras.Input((None, UNITS)), keras.Input((None, 6))
    decoder = keras_attention.AttentionDecoder(stack, keras_attention.AdditiveAttention(3))
    model = keras.Model([inputs, memory], decoder(inputs, memory))
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    x = [data(), data(6)]
    np.testing.assert_array_equal(copy.predict(x, verbose=0), model.predict(x, verbose=0))


def test_states_are_float32_in_half_precision():
    """The step counter of an LSTMN, above 256, would not change in bfloat16."""
    cells = [keras_attention.LSTMNCell(UNITS, max_length=300)]
    stack = keras_attention.ResidualStack(cells, dtype="mixed_bfloat16")
    stack.build((2, UNITS))
    *state, counter = stack.get_initial_state(2)[0]
    states = [[*state, counter + 256], [np.zeros((2, UNITS), "float32")]]
    for _ in range(3):
        output, states = stack(data()[:, 0], states)
    assert keras.backend.standardize_dtype(output.dtype) == "bfloat16"
    np.testing.assert_array_equal(numpy(states[0][-1]), 259)


class CellWithDropoutLayer(keras.layers.Layer):
    """A cell whose `dropout` is a layer and not the rate of masks that have to be reset."""

    state_size = output_size = UNITS

    def __init__(self):
        super().__init__()
        self.dropout = keras.layers.Dropout(0.0)

    def call(self, inputs, states):
        return self.dropout(inputs), [inputs]


def test_a_dropout_layer_in_a_cell_is_no_rate():
    stack = keras_attention.ResidualStack([CellWithDropoutLayer(), CellWithDropoutLayer()], 1)
    outputs = keras.layers.RNN(stack, return_sequences=True)(data(), training=True)
    np.testing.assert_allclose(numpy(outputs), 2 * data())
