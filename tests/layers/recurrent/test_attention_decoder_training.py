import keras
import numpy as np
import pytest

import keras_attention
from keras_attention import AttentionDecoder
from tests.compile_model import compile_model
from tests.layers.recurrent.decoder_formulas import (
    CELLS,
    INPUTS,
    MEMORY,
    MODES,
    STEPS,
    build,
    make_states,
    numpy,
)


class WrappedCell(keras.layers.Layer):
    """A cell that wraps another cell and is not a `StackedRNNCells`."""

    def __init__(self, inner, **kwargs):
        super().__init__(**kwargs)
        self.inner = inner
        self.state_size, self.output_size = inner.state_size, inner.output_size

    def build(self, input_shape):
        self.inner.build(input_shape)

    def call(self, inputs, states, training=None):
        return self.inner(inputs, states, training=training)


class ProjectedCell(keras.layers.LSTMCell):
    """An LSTM of 6 units whose output is projected to 3."""

    def __init__(self, **kwargs):
        super().__init__(6, **kwargs)
        self.output_size = 3
        self.project = keras.layers.Dense(3)

    def build(self, input_shape):
        super().build(input_shape)
        self.project.build((None, 6))

    def call(self, inputs, states, training=None):
        output, states = super().call(inputs, states, training)
        return self.project(output), states


every_cell = pytest.mark.parametrize("cell", CELLS)
every_mode = pytest.mark.parametrize("mode", MODES)
ON_TORCH = keras.backend.backend() == "torch"


@pytest.mark.parametrize(
    ("cell", "mode"),
    [
        pytest.param("gru", "before", marks=pytest.mark.ci),
        pytest.param("lstm", "after", marks=pytest.mark.ci),
        ("stack", "feeding"),
    ],
)
def test_dropout_in_cell_and_attention_works_when_compiled(cell, mode):
    keras.utils.set_random_seed(0)
    inputs, memory = keras.Input((None, 3)), keras.Input((None, 5))
    decoder = build(cell, mode, None, 0.3, dropout=0.2, recurrent_dropout=0.2)
    decoder = AttentionDecoder.from_config(decoder.get_config())
    model = keras.Model([inputs, memory], decoder(inputs, memory))
    # PyTorch would compile for minutes.
    compile_model(model, "adam", "mse", jit_compile=not ON_TORCH)
    before = model.get_weights()
    targets = np.ones(model([INPUTS, MEMORY]).shape, "float32")
    losses = model.fit([INPUTS, MEMORY], targets, epochs=3, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    assert all(
        np.abs(new - old).max() > 0 for new, old in zip(model.get_weights(), before, strict=True)
    )


@every_cell
@every_mode
@pytest.mark.parametrize("dropout_argument", ["attention_dropout", "dropout", "recurrent_dropout"])
def test_dropout_acts_in_training_only_and_differs_between_calls(cell, mode, dropout_argument):
    options = {dropout_argument: 0.5}
    decoder, plain = build(cell, mode, **options), build(cell, mode)
    inference = numpy(decoder(INPUTS, MEMORY))
    np.testing.assert_allclose(inference, numpy(plain(INPUTS, MEMORY)), atol=1e-6)
    state = make_states(cell)
    runs = [numpy(decoder(INPUTS, MEMORY, state, training=True)) for _ in range(3)]
    assert np.abs(runs[0] - runs[1]).max() > 1e-3 or np.abs(runs[0] - runs[2]).max() > 1e-3
    np.testing.assert_array_equal(numpy(decoder(INPUTS, MEMORY)), inference)


@every_mode
@pytest.mark.parametrize("compile_it", [False, True], ids=["plain", "compiled"])
def test_cell_uses_one_dropout_mask_for_all_steps(mode, compile_it):
    decoder = build("gru", mode, output_mode="cell", recurrent_dropout=0.5)
    # With these gates the next state is tanh(h) after dropout: h r = h, z = 0.
    kernel, recurrent_kernel, bias = (np.zeros(w.shape) for w in decoder.cell.get_weights())
    recurrent_kernel[:, 4:] = 0.1 * np.eye(2)
    bias[0, :2], bias[0, 2:4] = -100, 100
    decoder.cell.set_weights([kernel, recurrent_kernel, bias])
    ones = [np.ones((2, 2), "float32")]
    kept_counts = set()

    def run():
        return decoder(INPUTS, MEMORY, ones, training=True)

    if compile_it and keras.backend.backend() == "tensorflow":  # JAX compiles its loops anyway
        import tensorflow as tf

        run = tf.function(run, jit_compile=True)
    for _ in range(10):
        outputs = numpy(run())
        is_kept = outputs > 0
        # A dropped unit is dropped at every step.
        assert (is_kept == is_kept[:, :1]).all()
        kept_counts.update(map(int, is_kept[:, 0].sum(-1)))
        ratios = np.arctanh(outputs[:, 1:]) / np.where(is_kept, outputs, 1)[:, :-1]
        np.testing.assert_allclose(ratios[is_kept[:, 1:]], 0.2, rtol=1e-3)
    assert len(kept_counts) > 1


@pytest.mark.parametrize(
    "mode", ["before", *(pytest.param(x, marks=pytest.mark.ci) for x in ("after", "feeding"))]
)
def test_decoder_learns_to_copy_its_memory(mode):
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(0)
    words = rng.integers(1, 5, (128, STEPS))
    shifted = np.pad(words[:, :-1], [(0, 0), (1, 0)])
    source, target = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
    memory = keras.layers.Embedding(5, 8)(source)
    memory = keras.layers.Bidirectional(keras.layers.GRU(8, return_sequences=True))(memory)
    attention, options = MODES[mode]
    decoder = AttentionDecoder(
        keras.layers.GRUCell(24), attention(units=16), output_mode="both", **options
    )
    outputs = decoder(keras.layers.Embedding(5, 8)(target), memory)
    model = keras.Model([source, target], keras.layers.Dense(5)(outputs))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    compile_model(model, keras.optimizers.Adam(0.02), loss, metrics=["accuracy"])
    history = model.fit([words, shifted], words, epochs=20, batch_size=32, verbose=0).history
    assert history["accuracy"][-1] > 0.9  # a language model alone would reach a quarter


@pytest.mark.parametrize("decoder_type", ["attention", "pointer"])
@pytest.mark.parametrize("is_wrapped", [False, True], ids=["stacks", "own_cell"])
def test_dropout_masks_of_nested_cells_are_sampled_for_each_call(decoder_type, is_wrapped):
    cell = keras.layers.GRUCell(2, dropout=0.5, seed=0)
    for _ in range(2):
        cell = WrappedCell(cell) if is_wrapped else keras.layers.StackedRNNCells([cell])
    if decoder_type == "attention":
        decoder = AttentionDecoder(cell, keras_attention.AdditiveAttention(2))
    else:
        decoder = keras_attention.PointerDecoder(2, cell)
    runs = [numpy(decoder(INPUTS, MEMORY, training=True)) for _ in range(6)]
    assert any(np.abs(run - runs[0]).max() > 1e-4 for run in runs[1:])
    decoder(INPUTS[:1], MEMORY[:1], training=True)  # masks of another batch size are not reused


@pytest.mark.parametrize("attend", ["before", "after"])
@pytest.mark.parametrize("is_stacked", [False, True])
def test_cell_may_have_an_output_of_another_width_than_its_state(attend, is_stacked):
    cell = ProjectedCell()
    cell = keras.layers.StackedRNNCells([keras.layers.GRUCell(4), cell]) if is_stacked else cell
    decoder = AttentionDecoder(
        cell, keras_attention.AdditiveAttention(5), attend, output_mode="both"
    )
    outputs, state = decoder(INPUTS, MEMORY, return_state=True)
    assert outputs.shape == (*INPUTS.shape[:2], 3 + MEMORY.shape[-1])
    assert [x.shape[-1] for x in keras.tree.flatten(state.cell)] == [4] * is_stacked + [6, 6]
    spec = decoder.compute_output_spec(keras.Input((None, 3)), keras.Input((None, 5)))
    assert spec.shape == (None, None, 8)
    query_kernel = decoder.attention.score.query_kernel
    assert query_kernel.shape == (6 if attend == "before" else 3, 5)
