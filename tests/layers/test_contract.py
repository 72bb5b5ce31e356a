"""The promises that every layer keeps. A new layer is one row in contract_rows.py."""

import inspect

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from tests.gradients import gradients
from tests.layers.contract_rows import ROWS, WIDTH

BATCH, QUERIES, KEYS = 2, 3, 7
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="a SavedModel is TensorFlow's"
)
# Every row where time allows: JAX compiles each operation anew, so elsewhere one row a layer.
HERE = [name for name, row in ROWS.items() if row.others or keras.backend.backend() == "tensorflow"]
every_row = pytest.mark.parametrize("row", [ROWS[name] for name in HERE], ids=HERE)
DTYPES = ["float32", "bfloat16", "mixed_float16"]
if keras.backend.backend() == "tensorflow":  # elsewhere Keras's own products are not float64
    DTYPES += ["float16", "mixed_bfloat16", "float64"]
# A layer's further rows differ from its first in composition, not in how they treat a dtype; but
# for those that take a kernel.
PAIRS = {
    f"{name}-{dtype}": (ROWS[name], dtype)
    for name in HERE
    for dtype in DTYPES
    if ROWS[name].others or "blockwise" in name or dtype in ("float32", "mixed_float16")
}
every_row_and_dtype = pytest.mark.parametrize(("row", "dtype"), PAIRS.values(), ids=PAIRS.keys())


def numpy(nest):
    return keras.tree.map_structure(
        lambda x: ops.convert_to_numpy(x).astype("float64"), tuple(nest)
    )


def batch(size=BATCH, queries=QUERIES, keys=KEYS):
    """Queries, values, and masks: the first sequence has no real key, nor the last query."""
    rng = np.random.default_rng(0)
    query = rng.normal(size=(size, queries, WIDTH)).astype("float32")
    value = rng.normal(size=(size, keys, WIDTH)).astype("float32")
    query_mask, value_mask = np.ones((size, queries), bool), np.ones((size, keys), bool)
    query_mask[1, -1] = value_mask[0] = value_mask[1, 4:] = False
    return query, value, query_mask, value_mask


def functional(layer, row):
    """The layer in a functional model of unknown batch and lengths, masks as inputs."""
    names = ["query", "value", "query_mask", "value_mask"]
    inputs = [keras.Input((None, WIDTH), name=name) for name in names[:2]]
    inputs += [keras.Input((None,), dtype="bool", name=name) for name in names[2:]]
    output, weights = row.call(layer, *inputs)
    return keras.Model(inputs, {"output": output, "weights": weights})


def built(row, **options):
    """The layer, its weights drawn from seeded numbers so that none of them is special."""
    layer = row.make(**options)
    row.call(layer, *batch()[:2])
    rng = np.random.default_rng(1)
    layer.set_weights([0.5 * rng.normal(size=w.shape) for w in layer.get_weights()])
    return layer


def compiled(function):
    """The function, compiled by what the backend has."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=True)
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    return function


@every_row_and_dtype
@pytest.mark.parametrize("compile_it", [False, True], ids=["plain", "compiled"])
def test_who_may_see_nothing_reads_zero(row, dtype, compile_it):
    if not row.takes_masks:
        pytest.skip("takes no masks")
    query, value, query_mask, value_mask = batch()
    layer = built(row, dtype=dtype)
    run = compiled if compile_it else lambda function: function
    output, weights = numpy(
        run(lambda q, v: row.call(layer, q, v, query_mask, value_mask))(query, value)
    )
    np.testing.assert_array_equal(weights[0], 0)
    if row.output_of_the_blind:
        np.testing.assert_array_equal(output[0], 0)
    if row.takes_query:
        np.testing.assert_array_equal(weights[1, -1], 0)
        np.testing.assert_array_equal(output[1, -1], 0)

    def loss(q, v):
        return ops.sum(ops.cast(row.call(layer, q, v, query_mask, value_mask)[0], "float32") ** 2)

    found = gradients(loss, [query, value], layer.trainable_variables)
    assert all(np.isfinite(g).all() for g in found)
    np.testing.assert_array_equal(found[1][0], 0)
    if row.output_of_the_blind:
        np.testing.assert_array_equal(found[0][0], 0)


@every_row
@pytest.mark.parametrize("plant", [np.nan, np.inf, -np.inf])
def test_what_is_masked_cannot_matter(row, plant):
    if not row.takes_masks:
        pytest.skip("takes no masks")
    query, value, query_mask, value_mask = batch()
    layer = built(row)

    def everything(query, value):
        def loss(q, v):
            output, weights = row.call(layer, q, v, query_mask, value_mask)
            return ops.sum(output**2) + ops.sum(weights**2)

        found = gradients(loss, [query, value], layer.trainable_variables)
        return numpy(row.call(layer, query, value, query_mask, value_mask)) + tuple(found)

    poisoned_value = np.where(value_mask[..., None], value, np.float32(plant))
    poisoned_query = np.where(query_mask[..., None], query, np.float32(plant))
    expected = everything(query, value)
    for got, want in zip(everything(poisoned_query, poisoned_value), expected, strict=True):
        np.testing.assert_array_equal(got, want)


@every_row
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_what_the_attention_mask_hides_cannot_matter(row, dtype):
    if not row.takes_causal:
        pytest.skip("has no attention_mask")
    query, value, *_ = batch()
    attention_mask = np.ones((QUERIES, KEYS), bool)
    attention_mask[1] = attention_mask[:, 2] = False  # query 1 sees nothing, key 2 is never seen
    layer = built(row, dtype=dtype)

    def everything(query, value):
        def loss(q, v):
            output, weights = row.call(layer, q, v, attention_mask=attention_mask)
            return ops.sum(ops.cast(output[:, ::2], "float32") ** 2) + ops.sum(
                ops.cast(weights, "float32") ** 2
            )

        found = gradients(loss, [query, value], layer.trainable_variables)
        output, weights = numpy(row.call(layer, query, value, attention_mask=attention_mask))
        np.testing.assert_array_equal(weights[:, 1], 0)
        if row.output_of_the_blind:
            np.testing.assert_array_equal(output[:, 1], 0)
        return (output[:, ::2], weights, *found)

    expected = everything(query, value)
    value[:, 2] = np.nan
    if row.output_of_the_blind:
        query[:, 1] = np.nan
    for got, want in zip(everything(query, value), expected, strict=True):
        np.testing.assert_array_equal(got, want)


@every_row
def test_integers_are_read_as_numbers(row):
    query, value, query_mask, value_mask = batch()
    query, value = np.round(3 * query), np.round(3 * value)
    layer = built(row)
    of_floats = row.call(layer, query, value, query_mask, value_mask)
    integers = query.astype("int32"), value.astype("int32")
    of_integers = row.call(layer, *integers, query_mask, value_mask)
    for got, want in zip(numpy(of_integers), numpy(of_floats), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-6)


@every_row
def test_appended_padding_changes_nothing(row):
    if not row.takes_masks:
        pytest.skip("takes no masks")
    query, value, query_mask, value_mask = batch()
    layer = built(row)
    output, weights = numpy(row.call(layer, query, value, query_mask, value_mask))
    junk = np.full((BATCH, 4, WIDTH), 9.0, "float32")
    longer = [np.concatenate([x, junk], 1) for x in (query, value)]
    masks = [np.pad(m, [(0, 0), (0, 4)]) for m in (query_mask, value_mask)]
    padded_output, padded_weights = numpy(row.call(layer, *longer, *masks))
    if row.takes_query:
        np.testing.assert_allclose(padded_output[:, :QUERIES], output, atol=1e-5)
        np.testing.assert_allclose(padded_weights[:, :QUERIES, :KEYS], weights, atol=1e-5)
        np.testing.assert_array_equal(padded_output[:, QUERIES:], 0)
    else:
        np.testing.assert_allclose(padded_output, output, atol=1e-5)
    np.testing.assert_array_equal(padded_weights[..., KEYS:], 0)


@every_row_and_dtype
def test_no_finite_input_gives_nan(row, dtype):
    layer = built(row, dtype=dtype)
    largest = row.largest or float(ops.convert_to_numpy(_largest(layer.compute_dtype)))
    query, value, query_mask, value_mask = batch()
    query, value = (
        ops.convert_to_tensor(np.sign(x).astype("float64") * largest, layer.compute_dtype)
        for x in (query, value)
    )
    for number in row.call(layer, query, value, query_mask, value_mask):
        assert not np.isnan(numpy([number])[0]).any()


def _largest(dtype):
    exponent = {"float16": 15, "bfloat16": 127, "float32": 127, "float64": 300}[dtype]
    return np.float64(2.0) ** exponent


@every_row
def test_half_precision_stays_near_float32(row):
    query, value, query_mask, value_mask = batch()
    exact = numpy(row.call(built(row), query, value, query_mask, value_mask))
    for dtype, tolerance in [("mixed_float16", 1e-2), ("mixed_bfloat16", 6e-2)]:
        output, weights = row.call(built(row, dtype=dtype), query, value, query_mask, value_mask)
        assert dtype.endswith(keras.backend.standardize_dtype(output.dtype))
        for got, want in zip(numpy([output, weights]), exact, strict=True):
            np.testing.assert_allclose(got, want, atol=tolerance)


@every_row
def test_asking_for_the_weights_does_not_change_the_output(row):
    data = batch()
    layer = built(row)
    with_weights, _ = row.call(layer, *data)
    alone = row.call(layer, *data, return_attention_scores=False)
    np.testing.assert_array_equal(*numpy([with_weights, alone]))


@every_row
def test_the_past_does_not_know_the_future(row):
    if not row.takes_causal:
        pytest.skip("has no use_causal_mask")
    query, value, *_ = batch()
    value = value[:, :QUERIES]
    layer = built(row)
    before = numpy(row.call(layer, query, value, use_causal_mask=True))
    value[:, -1] += 7
    after = numpy(row.call(layer, query, value, use_causal_mask=True))
    np.testing.assert_allclose(after[0][:, :-1], before[0][:, :-1], atol=1e-6)
    np.testing.assert_array_equal(np.triu(after[1][0], 1), 0)
    assert np.abs(after[0][:, -1] - before[0][:, -1]).max() > 0.01


@every_row
@pytest.mark.parametrize("compile_it", [False, True], ids=["plain", "compiled"])
def test_a_call_leaves_nothing_behind(row, compile_it):
    data = batch()
    layer = built(row)
    run = compiled if compile_it else lambda function: function
    before, copies = dict(vars(layer)), [x.copy() for x in data]
    run(lambda q, v: row.call(layer, q, v, *data[2:], training=True))(*data[:2])
    assert {k: id(v) for k, v in vars(layer).items()} == {k: id(v) for k, v in before.items()}
    for x, copy in zip(data, copies, strict=True):
        np.testing.assert_array_equal(x, copy)


def test_every_public_layer_has_a_row_with_every_argument():
    layers = {getattr(keras_attention, name) for name in keras_attention.layers.__all__}
    assert layers == {row.layer for row in ROWS.values() if row.others}


@every_row
def test_the_config_holds_every_argument(row):
    if not row.others:
        pytest.skip("another row of this layer has its arguments")
    signature = inspect.signature(row.layer.__init__).parameters
    defaults = {n: p.default for n, p in signature.items() if n not in ("self", "kwargs")}
    assert set(defaults) == set(row.others)
    assert all(row.others[n] != default for n, default in defaults.items())
    arguments = {**row.others, "name": "named", "dtype": "mixed_bfloat16"}
    layer = row.make(**arguments)
    config = layer.get_config()
    assert set(config) >= set(arguments)
    again = row.layer.from_config(layer.get_config())
    assert again.get_config() == config
    changed = [n for n in defaults if config[n] == row.make().get_config()[n]]
    assert not changed, f"the config does not say {changed}"
    row.call(layer, *batch()[:2])
    row.call(again, *batch()[:2])
    again.set_weights(layer.get_weights())
    results = [numpy(row.call(each, *batch())) for each in (layer, again)]
    keras.tree.map_structure(np.testing.assert_array_equal, *results)


@every_row
def test_it_is_registered_by_its_own_name(row):
    registered = keras.saving.get_registered_name(row.layer)
    assert registered == f"keras_attention>{row.layer.__name__}"


@every_row
def test_wrong_arguments_are_refused_by_name(row):
    for arguments, message in row.wrong:
        with pytest.raises(ValueError, match="Expected .* Received: ") as refusal:
            row.make(**arguments)
        assert message in str(refusal.value)
    with pytest.raises((TypeError, ValueError), match="no_such_argument"):
        row.make(no_such_argument=1)


@every_row
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_the_symbolic_result_is_what_comes_out(row, dtype):
    layer = built(row, dtype=dtype)
    data = batch()
    real = row.call(layer, *data)
    symbolic = row.call(layer, *(keras.KerasTensor(x.shape, str(x.dtype)) for x in data[:2]))
    open_ends = row.call(
        layer, *(keras.KerasTensor((None, None, WIDTH), "float32") for x in data[:2])
    )
    for r, s, o in zip(real, symbolic, open_ends, strict=True):
        assert tuple(s.shape) == tuple(r.shape)
        assert all(
            open_end in (None, size) for open_end, size in zip(o.shape, r.shape, strict=True)
        )
        assert s.dtype == keras.backend.standardize_dtype(r.dtype)


@every_row
def test_the_numbers_are_the_same_compiled_reloaded_and_in_any_size(row, tmp_path):
    layer = built(row)
    model = functional(layer, row)
    model.save(tmp_path / "model.keras")
    reloaded = keras.saving.load_model(tmp_path / "model.keras")
    for data in (batch(), batch(3, 5, 11)):
        expected = numpy(row.call(layer, *data))
        found = [model(data), reloaded(data), reloaded.predict_on_batch(data)]
        found += [compiled(lambda *d: row.call(layer, *d, training=False))(*data)]
        for each in found:
            each = (each["output"], each["weights"]) if isinstance(each, dict) else each
            for got, want in zip(numpy(each), expected, strict=True):
                np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


@every_row
@on_tensorflow
def test_the_numbers_are_the_same_in_the_cpp_loader(row, tmp_path):
    layer = built(row)
    model = functional(layer, row)
    names = [x.name for x in model.inputs]
    examples = [dict(zip(names, batch(), strict=True))]
    path = keras_attention.export.saved_model(model, tmp_path / "layer", example=examples)
    data = batch(3, 5, 11)
    given = {n: x for n, x in zip(names, data, strict=True)}
    found = keras_attention.export.run_in_c_loader(path, "serving_default", given)
    for name, want in zip(("output", "weights"), numpy(row.call(layer, *data)), strict=True):
        np.testing.assert_allclose(found[name], want, rtol=1e-5, atol=1e-6)


@every_row
def test_it_learns_when_compiled(row):
    keras.utils.set_random_seed(1)  # a layer that draws learns more in some runs than in others
    if "dropout" in inspect.signature(row.layer.__init__).parameters:
        layer = row.make(dropout=0.1)
    else:
        layer = row.make()
    *inputs, query_mask, value_mask = batch(6, 3, 7)
    queries, values = (keras.Input((None, WIDTH)) for _ in inputs)
    outputs = keras.layers.Dense(1)(row.call(layer, queries, values)[0])
    model = keras.Model([queries, values], outputs)
    jit = keras.backend.backend() != "torch"
    model.compile(keras.optimizers.Adam(0.05), "mse", jit_compile=jit)
    shape = model(inputs).shape
    target = np.random.default_rng(2).normal(size=shape).astype("float32")
    history = model.fit(inputs, target, epochs=12, batch_size=3, shuffle=False, verbose=0)
    assert model.jit_compile == jit
    assert history.history["loss"][-1] < 0.9 * history.history["loss"][0]
