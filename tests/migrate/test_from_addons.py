"""Weights of TensorFlow Addons' `AttentionWrapper` give its outputs here."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import (
    AdditiveAttention,
    Attention,
    LuongAttention,
    MonotonicAttention,
)
from keras_attention.migrate import (
    LinearAttention,
    LinearMonotonicAttention,
    attention_decoder_from_addons,
    attention_from_addons,
)
from tests.migrate import addons_formulas

BATCH, STEPS, KEYS, WIDTH, MEMORY, QUERY, UNITS, SIZE = 2, 4, 6, 3, 5, 4, 7, 8
RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(BATCH, STEPS, WIDTH)).astype("float32")
VALUES = RNG.normal(size=(BATCH, KEYS, MEMORY)).astype("float32")
MASK = np.array([[True] * KEYS, [True] * 4 + [False] * 2])
SCORES = {
    "luong": {"memory_layer/kernel": (MEMORY, QUERY)},
    "bahdanau": {
        "memory_layer/kernel": (MEMORY, UNITS),
        "query_layer/kernel": (QUERY, UNITS),
        "attention_v": (UNITS,),
    },
}
OPTIONS = {
    "luong": {},
    "luong scaled": {"attention_g": ()},
    "bahdanau": {},
    "bahdanau normalized": {"attention_g": (), "attention_b": (UNITS,)},
}


def create_weights(name, is_monotonic=False, has_attention_layer=False):
    shapes = SCORES[name.split()[0]] | OPTIONS[name]
    if is_monotonic:
        shapes |= {"attention_score_bias": ()}
    if has_attention_layer:
        shapes |= {"attention_layer/kernel": (QUERY + MEMORY, SIZE)}
    attention = SIZE if has_attention_layer else MEMORY
    shapes |= {"cell/kernel": (WIDTH + attention, 4 * QUERY), "cell/bias": (4 * QUERY,)}
    shapes |= {"cell/recurrent_kernel": (QUERY, 4 * QUERY)}
    rng = np.random.default_rng(1)
    return {end: np.asarray(rng.normal(size=shape)) for end, shape in shapes.items()}


def run(decoder):
    results = decoder(INPUTS, VALUES, memory_mask=MASK, return_attention_scores=True)
    return [ops.convert_to_numpy(x) for x in results]


def assert_equal_to_formulas(weights, normalize, **options):
    decoder = attention_decoder_from_addons(weights, keras.layers.LSTMCell(QUERY), **options)
    outputs, alignments, cell_outputs, _ = addons_formulas.attention_wrapper(
        INPUTS.astype("float64"), VALUES.astype("float64"), MASK, weights, normalize
    )
    if not options.get("output_attention", True):
        outputs = cell_outputs
    for result, expected in zip(run(decoder), (outputs, alignments), strict=True):
        np.testing.assert_allclose(result, expected, atol=2e-5)
    return decoder.attention


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("has_attention_layer", [False, True])
def test_softmax_mechanisms(name, has_attention_layer):
    weights = create_weights(name, has_attention_layer=has_attention_layer)
    attention = assert_equal_to_formulas(weights, addons_formulas.softmax)
    named = LuongAttention if "luong" in name else AdditiveAttention
    assert type(attention) is (LinearAttention if has_attention_layer else named)


@pytest.mark.parametrize("name", ["luong scaled", "bahdanau normalized"])
def test_hardmax_and_the_outputs_of_the_cell(name):
    options = {"probability_fn": "hardmax", "output_attention": False}
    weights = create_weights(name)
    attention = assert_equal_to_formulas(weights, addons_formulas.hardmax, **options)
    assert type(attention) is Attention


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("has_attention_layer", [False, True])
def test_monotonic_mechanisms(name, has_attention_layer):
    weights = create_weights(name, True, has_attention_layer)
    attention = assert_equal_to_formulas(weights, addons_formulas.recursive)
    linear, plain = LinearMonotonicAttention, MonotonicAttention
    assert type(attention) is (linear if has_attention_layer else plain)


def test_closed_form_of_small_scores_is_the_recursion():
    weights = create_weights("bahdanau", is_monotonic=True)
    assert_equal_to_formulas(weights, addons_formulas.parallel, mode="parallel")


def test_hard_mode_chooses_the_first_key_of_a_positive_score():
    weights = create_weights("luong", is_monotonic=True)
    layer = attention_from_addons(weights, mode="hard", sigmoid_noise=0.5)
    assert (layer.inference, layer.noise) == ("hard", 0.5)
    rng, previous = np.random.default_rng(2), np.eye(KEYS)[[0]]
    choices = []
    for _ in range(8):
        query = rng.normal(size=(BATCH, QUERY)).astype("float32")
        _, result = layer([query, VALUES], mask=[None, MASK], return_attention_scores=True)
        scores = addons_formulas.luong_scores(query, VALUES, weights)
        scores += weights["attention_score_bias"]
        expected = addons_formulas.hard(scores, previous, MASK)
        np.testing.assert_array_equal(ops.convert_to_numpy(result), expected)
        choices += list(expected.sum(-1) * (1 + expected.argmax(-1)))
    assert len(set(choices)) > 2  # none, the first key, a later key


def test_stack_of_cells():
    weights = create_weights("luong")
    kernel = np.random.default_rng(3).normal(size=(QUERY, 4 * QUERY))
    for name in ("kernel", "recurrent_kernel", "bias"):
        weights[f"cells/0/{name}"] = weights.pop(f"cell/{name}")
    weights |= {"cells/1/kernel": kernel, "cells/1/recurrent_kernel": kernel + 1}
    weights |= {"cells/1/bias": kernel[0]}
    cells = [keras.layers.LSTMCell(QUERY) for _ in range(2)]
    decoder = attention_decoder_from_addons(weights, keras.layers.StackedRNNCells(cells))
    run(decoder)
    for i, cell in enumerate(cells):
        for weight in cell.weights:
            expected = weights[f"cells/{i}/{weight.name}"]
            np.testing.assert_allclose(ops.convert_to_numpy(weight), expected, rtol=1e-6)


def test_checkpoint_of_objects(tmp_path):
    tf = pytest.importorskip("tensorflow")
    weights = create_weights("bahdanau normalized", True, True)

    def create_module(**attributes):
        module = tf.Module()
        for name, value in attributes.items():
            setattr(module, name, value)
        return module

    def create_layer(end):
        return create_module(kernel=tf.Variable(weights[f"{end}/kernel"]))

    names = ("attention_v", "attention_g", "attention_b", "attention_score_bias")
    mechanism = create_module(
        query_layer=create_layer("query_layer"),
        memory_layer=create_layer("memory_layer"),
        **{name: tf.Variable(weights[name]) for name in names},
    )
    names = ("kernel", "recurrent_kernel", "bias")
    cell = create_module(**{name: tf.Variable(weights[f"cell/{name}"]) for name in names})
    wrapper = create_module(
        _cell=cell,
        _attention_mechanisms=[mechanism],
        _attention_layers=[create_layer("attention_layer")],
    )
    encoder = create_module(cell=create_module(kernel=tf.Variable(np.ones((2, 8)))))
    path = tf.train.Checkpoint(decoder=wrapper, encoder=encoder).save(str(tmp_path / "model"))
    reader = tf.train.load_checkpoint(path)
    with pytest.raises(ValueError, match="pass a `prefix`.* Received: .*decoder/.*encoder/"):
        attention_decoder_from_addons(reader, keras.layers.LSTMCell(QUERY))
    decoder = attention_decoder_from_addons(reader, keras.layers.LSTMCell(QUERY), prefix="decoder/")
    expected = attention_decoder_from_addons(weights, keras.layers.LSTMCell(QUERY))
    for result, correct in zip(run(decoder), run(expected), strict=True):
        np.testing.assert_array_equal(result, correct)


def test_names_of_variables():
    weights = create_weights("luong scaled", has_attention_layer=True)
    names = {
        "cell": "attention_wrapper/lstm_cell_2",
        "attention_layer": "attention_wrapper/attention_layer",
    }
    renamed = {}
    for end, array in weights.items():
        first, *rest = end.split("/")
        path = names.get(first, f"attention_wrapper/LuongAttention/{first}")
        renamed["/".join([path, *rest]) + ":0"] = array
    decoder = attention_decoder_from_addons(renamed, keras.layers.LSTMCell(QUERY))
    expected = attention_decoder_from_addons(weights, keras.layers.LSTMCell(QUERY))
    for result, correct in zip(run(decoder), run(expected), strict=True):
        np.testing.assert_array_equal(result, correct)


@pytest.mark.parametrize("is_monotonic", [False, True])
def test_converted_decoder_can_be_saved_and_loaded(is_monotonic, tmp_path):
    weights = create_weights("bahdanau normalized", is_monotonic, True)
    decoder = attention_decoder_from_addons(weights, keras.layers.LSTMCell(QUERY))
    inputs = [keras.Input((None, WIDTH)), keras.Input((None, MEMORY))]
    model = keras.Model(inputs, decoder(*inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    results = [ops.convert_to_numpy(m([INPUTS, VALUES])) for m in (model, loaded)]
    np.testing.assert_array_equal(*results)


def test_half_precision():
    weights = create_weights("luong", has_attention_layer=True)
    weights = {name: 0.3 * array for name, array in weights.items()}  # errors do not accumulate
    cell = keras.layers.LSTMCell(QUERY, dtype="mixed_bfloat16")
    decoder = attention_decoder_from_addons(weights, cell, dtype="mixed_bfloat16")
    output = decoder(INPUTS, VALUES, memory_mask=MASK)
    assert keras.backend.standardize_dtype(output.dtype) == "bfloat16"
    expected = run(attention_decoder_from_addons(weights, keras.layers.LSTMCell(QUERY)))[0]
    np.testing.assert_allclose(
        ops.convert_to_numpy(ops.cast(output, "float32")), expected, atol=0.02
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"probability_fn": "sparsemax"}, "`probability_fn`.*sparsemax"),
        ({"mode": "soft"}, "`mode`.*soft"),
        ({"prefix": "decoder/"}, "a name that ends with .* prefix='decoder/'"),
        ({"weights": [np.ones(3)]}, "`weights` to be a dict .* Received: weights of type list"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    options = {"weights": create_weights("luong"), **options}
    with pytest.raises(ValueError, match=f"Expected {message}"):
        attention_decoder_from_addons(cell=keras.layers.LSTMCell(QUERY), **options)


def test_wrong_cells_are_refused():
    weights, cell = create_weights("luong"), keras.layers.LSTMCell(QUERY)
    cell.build((None, 3))
    with pytest.raises(ValueError, match="Expected a `cell` that is not yet built"):
        attention_decoder_from_addons(weights, cell)
    with pytest.raises(ValueError, match="Expected `cell`"):
        attention_decoder_from_addons(weights, keras.layers.LSTM(QUERY))
    del weights["cell/bias"]
    with pytest.raises(ValueError, match="a name that ends with 'cell/bias'"):
        attention_decoder_from_addons(weights, keras.layers.LSTMCell(QUERY))


def test_missing_weight_of_the_score_is_refused():
    weights = create_weights("bahdanau")
    del weights["query_layer/kernel"]
    with pytest.raises(ValueError, match="a name that ends with 'query_layer/kernel'"):
        attention_from_addons(weights)
