"""`attention_weights` returns the weights with which any model answers, and changes nothing."""

import functools
import threading

import keras
import numpy as np
import pytest
from keras import layers as L

import keras_attention as ka
from keras_attention import attention_weights
from tests.explain.attention_models import IDS, IMAGES, MODELS, VECTORS, with_scores

BACKEND = keras.backend.backend()
# `TextVectorization` and `StringLookup` take strings only from TensorFlow.
NAMES = [name for name in MODELS if name != "strings" or BACKEND == "tensorflow"]


def numpy(x):
    return np.array(keras.ops.convert_to_numpy(x))


def check_weights(weights, expected, atol=1e-6):
    assert list(weights) == list(expected)
    for path, arrays in expected.items():
        is_list = isinstance(arrays, list)
        assert isinstance(weights[path], list) == is_list
        pairs = zip(weights[path], arrays, strict=True) if is_list else [(weights[path], arrays)]
        for array, other in pairs:
            assert type(array) is np.ndarray and array.dtype == "float32"
            np.testing.assert_allclose(array, numpy(other), atol=atol, err_msg=path)
            assert np.ptp(array) > 1e-5, path  # The weights depend on the inputs.


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_those_of_the_layers_called_by_hand(name):
    model, inputs, expected = MODELS[name]()
    check_weights(attention_weights(model, inputs), expected)


@pytest.mark.parametrize("name", ["transformer", "turing_machine", "keras_layers"])
def test_a_model_from_a_file_has_the_same_weights(name, tmp_path):
    model, inputs, expected = MODELS[name]()
    model.save(tmp_path / "model.keras")
    check_weights(
        attention_weights(keras.saving.load_model(tmp_path / "model.keras"), inputs), expected
    )


@pytest.mark.parametrize("name", ["hierarchical", "transformer", "turing_machine"])
def test_batches_give_the_same_weights(name):
    model, inputs, expected = MODELS[name]()
    check_weights(attention_weights(model, inputs, batch_size=1), expected)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="Only TensorFlow has strings.")
def test_texts_of_several_lengths_are_padded_with_zeros():
    model, inputs, expected = MODELS["strings"]()
    weights = attention_weights(model, inputs, batch_size=1)
    check_weights(weights, expected)
    assert weights["attention"].shape == (2, 1, 3)
    classifier = keras.Sequential(
        [
            L.TextVectorization(vocabulary=["a", "good", "film"]),
            L.Embedding(9, 4, mask_zero=True),
            ka.AttentionPooling(name="pool"),
        ]
    )  # not built yet
    texts = ["a good film", "film"]
    (weights,) = attention_weights(classifier, texts).values()
    (rows,) = attention_weights(classifier, np.array(texts), batch_size=1).values()
    np.testing.assert_allclose(weights, rows, atol=1e-6)
    assert weights.shape == (2, 3) and not weights[1, 1:].any()


# name: (creates the layer, its inputs, what is appended to its path for each tensor of weights)
NODES = VECTORS[:, :4]
EDGES = np.array([[[0, 1], [2, 1], [1, 3]]] * 2, "int32")
LAYERS = {
    "AdditiveAttention": (lambda: ka.AdditiveAttention(units=3), [VECTORS, VECTORS], [""]),
    "Attention": (lambda: ka.Attention("dot", normalize="sparsemax"), [VECTORS, VECTORS], [""]),
    "AttentionPooling": (ka.AttentionPooling, VECTORS, [""]),
    "GraphAttention": (lambda: ka.GraphAttention(3, 2), [NODES, EDGES], ["/edges", "/self_loops"]),
    "HardAttention": (ka.HardAttention, [VECTORS, VECTORS], [""]),
    "LocalAttention": (lambda: ka.LocalAttention(window=1), [VECTORS, VECTORS], [""]),
    "LocationAware": (
        lambda: ka.LocationAwareAttention(units=3, filters=2, width=3),
        [VECTORS, VECTORS],
        [""],
    ),
    "LuongAttention": (lambda: ka.LuongAttention(units=3), [VECTORS, VECTORS], [""]),
    "MonotonicAttention": (
        lambda: ka.MonotonicAttention(units=3, bias=0.0),
        [VECTORS, VECTORS],
        [""],
    ),
    "MultiHeadAttention": (
        lambda: ka.MultiHeadAttention(2, 3, implementation="blockwise"),
        [VECTORS, VECTORS],
        [""],
    ),
    "MultiHopAttention": (
        lambda: ka.MultiHopAttention(hops=2),
        [VECTORS[:, 0], VECTORS, VECTORS, VECTORS],
        [""],
    ),
    "SelfAttention2D": (lambda: ka.SelfAttention2D(pool_keys=True), IMAGES[..., [0] * 8], [""]),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_every_layer_returns_its_weights(kind):
    create, arrays, parts = LAYERS[kind]
    layer = create()
    several = isinstance(arrays, list)
    inputs = [keras.Input(x.shape[1:], dtype=x.dtype) for x in (arrays if several else [arrays])]
    model = keras.Model(inputs, layer(inputs if several else inputs[0]))
    if kind == "SelfAttention2D":
        layer.gamma.assign(0.5)
    _, *expected = layer(arrays, return_attention_scores=True)
    expected = {layer.name + part: x for part, x in zip(parts, expected, strict=True)}
    weights = attention_weights(model, arrays if several else [arrays])
    check_weights(weights, expected)


def test_glimpses_have_locations():
    layer = ka.RecurrentGlimpses(glimpses=3, size=4, units=16, start="center", name="glimpses")
    model = keras.Sequential([keras.Input((8, 8, 1)), layer])
    _, locations = layer(IMAGES, return_locations=True)
    check_weights(attention_weights(model, IMAGES), {"glimpses/locations": locations})


def test_loops_have_an_axis_for_their_steps():
    heads = ka.MultiHeadSelfAttention(2, key_dim=3, name="heads")
    pool = ka.AttentionPooling(name="pool")
    inner = keras.Sequential([L.Dense(4), heads, pool], name="inner")
    frames = np.stack([VECTORS, VECTORS + 1, VECTORS * 2], axis=1)
    inputs = keras.Input((3, 5, 4))
    for wrap, name in ((L.TimeDistributed, "timed"), (ka.EachStep, "each")):
        model = keras.Model(inputs, wrap(inner, name=name)(inputs))
        rows = [with_scores(heads, inner.layers[0](frames[:, k])) for k in range(3)]
        expected = {
            f"{name}/inner/heads": np.stack([numpy(weights) for _, weights in rows], axis=1),
            f"{name}/inner/pool": np.stack(
                [numpy(with_scores(pool, output)[1]) for output, _ in rows], axis=1
            ),
        }
        check_weights(attention_weights(model, frames), expected)


def test_recurrent_cells_with_attention_are_observed_in_both_directions():
    mask = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]], bool)
    cell = ka.LSTMNCell(3, max_length=6, name="cell")
    wrapper = L.Bidirectional(L.RNN(cell, return_sequences=True, name="rnn"), name="both")
    frames = np.where(mask[..., None], VECTORS, 0)
    model = keras.Sequential([keras.Input((None, 4)), L.Masking(), wrapper])
    weights = attention_weights(model, frames)
    expected = {}
    for name, layer in (("forward", wrapper.forward_layer), ("backward", wrapper.backward_layer)):
        recording = ka.LSTMNCell(3, max_length=6, return_weights=True)
        run = L.RNN(
            recording,
            return_sequences=True,
            zero_output_for_mask=True,
            go_backwards=name != "forward",
        )
        run(frames)
        recording.set_weights(layer.cell.get_weights())
        steps = numpy(recording.split_outputs(run(frames, mask=mask)).weights)
        expected[f"both/{name}_rnn/cell"] = steps if name == "forward" else steps[:, ::-1]
    check_weights(weights, expected)


def test_a_cell_in_a_stack_is_observed_once_per_step():
    cells = [L.GRUCell(3), ka.NTMCell(2, slots=4, width=2, name="ntm")]
    model = keras.Sequential([keras.Input((None, 4)), L.RNN(cells, name="rnn")])
    weights = attention_weights(model, VECTORS, layers="ntm")
    (read, _) = weights.values()
    assert read.shape == (2, 5, 1, 4)
    _, states = cells[0](VECTORS[:, 0], [np.zeros((2, 3), "float32")])
    output = states if not isinstance(states, list) else states[0]
    first = cells[1].compute_attention_weights(output, cells[1].get_initial_state(2))
    np.testing.assert_allclose(read[:, 0], numpy(first["read_addresses"]), atol=1e-6)


class Restless(keras.Model):
    """Has a loss, an activity regularizer, a counter, a random tensor and batch statistics."""

    def __init__(self):
        super().__init__()
        self.pool = ka.AttentionPooling(name="pool")
        self.dense = L.Dense(3, activity_regularizer="l2", kernel_regularizer="l2")
        self.normalization = L.BatchNormalization()
        self.seed_generator = keras.random.SeedGenerator(1)
        self.counter = self.add_weight(shape=(), initializer="zeros", trainable=False)
        self.mean = keras.metrics.Mean(name="mean")

    def call(self, inputs):
        self.counter.assign_add(1.0)
        noise = keras.random.normal((2, 5, 4), seed=self.seed_generator)
        x = self.pool(self.normalization(inputs + noise, training=True))
        self.add_loss(keras.ops.mean(x))
        self.mean.update_state(keras.ops.mean(x))
        return self.dense(x)


def test_a_models_state_and_losses_stay_as_they_are():
    model = Restless()
    model(VECTORS)
    before = [numpy(x) for x in model.variables + model.metrics_variables]
    losses = [numpy(x) for x in model.losses]
    weights = attention_weights(model, VECTORS)
    again = attention_weights(model, VECTORS)
    np.testing.assert_array_equal(weights["pool"], again["pool"])  # The same random tensor.
    for array, variable in zip(before, model.variables + model.metrics_variables, strict=True):
        np.testing.assert_array_equal(array, numpy(variable))
    assert [numpy(x) for x in model.losses] == losses and len(losses) == 3
    assert "call" not in vars(model.pool)
    # The weights are those of the call that comes next.
    calls = []
    original = model.pool.call
    vars(model.pool)["call"] = lambda x, **options: (calls.append(x), original(x, **options))[1]
    model(VECTORS)
    del vars(model.pool)["call"]
    expected = numpy(with_scores(model.pool, calls[0])[1])
    np.testing.assert_allclose(weights["pool"], expected, atol=1e-6)


def test_outputs_are_those_of_a_plain_call_and_predict_is_not_traced_again():
    model, inputs, _ = MODELS["keras_layers"]()
    expected = model.predict(inputs, verbose=0)
    traces = []
    outputs = []
    original = model.get_layer("additive").call

    def call(*args, **kwargs):
        traces.append(1)
        outputs.append(original(*args, **kwargs))
        return outputs[-1]

    plain = numpy(model(inputs, training=False))
    vars(model.get_layer("additive"))["call"] = call
    attention_weights(model, inputs, layers="dot")
    assert vars(model.get_layer("additive"))["call"] is call
    np.testing.assert_array_equal(numpy(outputs[0]), plain)
    count = len(traces)
    if BACKEND != "torch":  # PyTorch does not compile.
        np.testing.assert_array_equal(model.predict(inputs, verbose=0), expected)
        assert len(traces) == count


def test_calls_of_other_threads_are_not_observed():
    model, inputs, expected = MODELS["readme_classifier"]()
    name = next(iter(expected))
    layer = model.get_layer(name)
    original = layer.call

    @functools.wraps(original)
    def call(*args, **kwargs):
        if threading.current_thread() is threading.main_thread():
            thread = threading.Thread(target=lambda: model(inputs[:1]))
            thread.start()
            thread.join()
        return original(*args, **kwargs)

    vars(layer)["call"] = call
    check_weights(attention_weights(model, inputs), expected)


def test_layers_are_selected_by_path_name_or_object():
    model, inputs, expected = MODELS["transformer"]()
    block = model.get_layer("decoder_1")
    paths = ["encoder_0/self_attention", "decoder_1/self_attention", "decoder_1/cross_attention"]
    weights = attention_weights(model, inputs, layers=["encoder_0", block])
    check_weights(weights, {path: expected[path] for path in paths})
    weights = attention_weights(model, inputs, layers=block.cross_attention)
    check_weights(weights, {paths[2]: expected[paths[2]]})
    weights = attention_weights(model, inputs, layers=paths[1])
    check_weights(weights, {paths[1]: expected[paths[1]]})
    model, inputs, expected = MODELS["nested"]()
    assert list(attention_weights(model, inputs, layers="encoder")) == ["tower/encoder/heads"]
    assert list(attention_weights(model, inputs, layers="pool")) == ["tower/pool"]


@pytest.mark.parametrize("unknown", ["head", "decoder_1/other", L.Dense(1, name="mine"), 3])
def test_unknown_layers_are_refused_and_the_known_ones_listed(unknown):
    model, inputs, _ = MODELS["transformer"]()
    with pytest.raises(ValueError, match="Expected .*decoder_1.*"):
        attention_weights(model, inputs, layers=unknown)


def test_a_model_without_attention_is_refused():
    model = keras.Sequential([keras.Input((4,)), L.Dense(2, name="dense")], name="plain")
    with pytest.raises(ValueError, match="model with attention layers.*'plain'.*'dense'"):
        attention_weights(model, np.ones((1, 4), "float32"))


@pytest.mark.parametrize("inputs", ["text", None, {"a": object()}])
def test_inputs_without_a_shape_are_refused(inputs):
    model = keras.Sequential([ka.AttentionPooling()])
    with pytest.raises(ValueError, match="Expected `inputs` to be an array.*Received: inputs="):
        attention_weights(model, inputs)


def test_batches_of_inputs_of_different_sizes_are_refused():
    model, _, _ = MODELS["transformer"]()
    with pytest.raises(ValueError, match=r"`batch_size` is given. Received: first axes \[2, 1\]"):
        attention_weights(model, [IDS, IDS[:1]], batch_size=2)


class Hidden(keras.Model):
    """Calls one layer directly, one in a function that its backend traces, and one not at all."""

    def __init__(self):
        super().__init__()
        self.open = ka.AttentionPooling(name="open")
        self.traced = ka.AttentionPooling(name="traced")
        self.unused = ka.AttentionPooling(name="unused")

    def call(self, inputs):
        return self.open(inputs) + trace(self.traced)(inputs)


def trace(function):
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.function(function)
    if BACKEND == "jax":
        import jax

        return jax.jit(function)
    import torch

    return lambda inputs: torch.func.vmap(lambda x: function(x[None])[0])(inputs)


def test_layers_that_cannot_be_observed_are_named():
    model = Hidden()
    for layer in (model.open, model.traced, model.unused):
        layer.build((2, 5, 4))
    with pytest.warns(UserWarning, match=r"leaves out \['traced', 'unused'\]") as caught:
        weights = attention_weights(model, VECTORS)
    filenames = [x.filename for x in caught if "leaves out" in str(x.message)]
    assert filenames == [__file__]
    check_weights(weights, {"open": with_scores(model.open, VECTORS)[1]})
    with pytest.raises(ValueError, match=r"layers that the model calls.*Received: \['traced'\]"):
        attention_weights(model, VECTORS, layers="traced")
    check_weights(
        attention_weights(model, VECTORS, layers="open"),
        {"open": with_scores(model.open, VECTORS)[1]},
    )


def test_a_cell_with_attention_in_a_decoder_is_named():
    decoder = ka.AttentionDecoder(
        ka.LSTMNCell(3, max_length=6, name="cell"), ka.AdditiveAttention(units=3), name="decoder"
    )
    inputs = keras.Input((None, 4))
    model = keras.Model(inputs, decoder(inputs, inputs))
    with pytest.warns(UserWarning, match=r"alignments. The result leaves out \['decoder/cell'\]"):
        weights = attention_weights(model, VECTORS)
    check_weights(weights, {"decoder": with_scores(decoder, VECTORS, VECTORS)[1]})


class Own(L.Layer):
    """Averages its inputs; its weights are known without `return_attention_scores`."""

    def call(self, inputs):
        return keras.ops.mean(inputs, axis=1)

    def compute_attention_weights(self, inputs):
        return keras.ops.softmax(inputs[..., 0])


def test_a_layer_of_ones_own_defines_its_weights():
    model = keras.Sequential([keras.Input((None, 4)), Own(name="own")])
    expected = keras.ops.softmax(keras.ops.convert_to_tensor(VECTORS[..., 0]))
    check_weights(attention_weights(model, VECTORS), {"own": expected})


def test_layers_of_equal_names_have_different_paths():
    class Two(keras.Model):
        def __init__(self):
            super().__init__()
            self.first = ka.AdditiveAttention(units=3, name="same")
            self.second = ka.AttentionPooling(name="same")

        def call(self, inputs):
            return self.second(self.first(inputs))

    weights = attention_weights(Two(), VECTORS)
    assert {path: x.shape for path, x in weights.items()} == {"same": (2, 5, 5), "same_1": (2, 5)}


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float16", "float64"])
def test_dtype_policies(policy):
    if policy == "float64" and BACKEND == "jax":
        pytest.skip("JAX has no float64 by default")
    keras_heads = L.MultiHeadAttention(2, 3, dtype=policy, name="keras")
    heads = ka.MultiHeadSelfAttention(2, 3, dtype=policy, name="heads")
    inputs = keras.Input((None, 4))
    x = keras_heads(inputs, inputs)
    model = keras.Model(inputs, heads(x))
    weights = attention_weights(model, VECTORS)
    expected = "float64" if policy == "float64" else "float32"
    assert [x.dtype for x in weights.values()] == [expected] * 2
    frames = VECTORS.astype("float64") if policy == "float64" else VECTORS
    _, by_hand = with_scores(heads, keras_heads(frames, frames))
    by_hand = keras.ops.cast(by_hand, expected)
    np.testing.assert_allclose(weights["heads"], numpy(by_hand), atol=1e-6)
    np.testing.assert_allclose(weights["heads"].sum(-1), 1, atol=1e-2)
