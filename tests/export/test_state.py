"""State that a served graph would keep between requests: a warning names it."""

import warnings

import keras
import numpy as np
import pytest

from keras_attention import export
from keras_attention.export.checks.state import find_changed_state, restore_state

LAYERS = keras.layers


def test_a_stateful_layer_is_exported_with_a_warning(tmp_path):
    inputs = keras.Input(batch_shape=(1, 2, 3), name="x")
    model = keras.Model(inputs, LAYERS.SimpleRNN(2, stateful=True, name="memory")(inputs))
    with pytest.warns(UserWarning, match=r"stateful=True in the layers \['memory'\]") as warnings:
        export.saved_model(model, tmp_path / "m", example={"x": np.zeros((1, 2, 3), "float32")})
    assert warnings[0].filename == __file__
    assert (tmp_path / "m" / "1").exists()


def test_the_variables_that_a_request_changes_are_named_and_restored(tmp_path):
    x = keras.Input((4,), name="x")
    hidden = LAYERS.Dropout(0.5, name="drop")(LAYERS.BatchNormalization(name="norm")(x))
    model = keras.Model(x, LAYERS.Dense(2, name="dense")(hidden))
    model.get_layer("norm").moving_mean.assign([1.0, np.inf, 3.0, 4.0])
    generator, count = keras.random.SeedGenerator(1), keras.Variable(0, dtype="int32", name="count")

    def train(x):
        count.assign_add(1)
        noise = keras.random.normal((4,), seed=generator)
        return {"y": model(keras.ops.where(x > 100, x, noise), training=True)}

    def predict(x):
        return {"y": model.get_layer("dense")(x)}

    before = [np.array(v) for v in [*model.variables, generator.state, count]]
    signatures = {"serving_default": (predict, model.inputs), "mc": (train, model.inputs, [model])}
    with pytest.warns(UserWarning, match="requests change variables") as warnings:
        export.saved_model(model, tmp_path / "m", signatures)
    (message,) = [str(one.message) for one in warnings]
    assert "{'mc': ['count'" in message and "serving_default" not in message
    for name in ("norm/moving_mean", "norm/moving_variance", "seed_generator_state"):
        assert name in message
    after = [np.array(v) for v in [*model.variables, generator.state, count]]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("is_used", [True, False])
def test_a_seed_generator_is_named_only_if_an_output_depends_on_it(is_used):
    import tensorflow as tf

    layer = LAYERS.LSTM(2, dropout=0.5)
    layer.build((None, 3, 4))

    @tf.function(input_signature=[tf.TensorSpec([2, 3, 4])])
    def serve(x):
        return layer(x, training=is_used)

    state = layer.cell.seed_generator.state
    changed = find_changed_state(serve.get_concrete_function())
    assert changed == ([state.path] if is_used else [])


def test_variables_are_restored_when_the_check_fails(tmp_path):
    import tensorflow as tf

    count = keras.Variable(0.0, name="count")

    def fail(x):
        count.assign_add(1.0)
        return x + count + tf.random.uniform(())

    spec = export.Spec("x", (None,), "float32")
    with pytest.warns(UserWarning, match="count"), pytest.raises(export.SelfCheckError):
        export.saved_model(None, tmp_path / "m", {"serving_default": (fail, [spec])})
    assert float(count) == 0


@pytest.mark.parametrize("where", ["function", "branch", "loop", "scatter", "nothing"])
def test_a_change_is_found_wherever_it_happens(where):
    import tensorflow as tf

    read, changed = tf.Variable([1.0, 2.0], name="read"), tf.Variable([1.0, 2.0], name="changed")

    @tf.function
    def change():
        changed.assign_add(read)
        return read[0]

    def step(i):
        change()
        return i + 1

    @tf.function(input_signature=[tf.TensorSpec([], "int32")])
    def serve(x):
        if where == "function":
            change()
        if where == "branch":
            tf.cond(x > 0, change, lambda: read[1])
        if where == "loop":
            tf.while_loop(lambda i: i < x, step, [0])
        if where == "scatter":
            changed.scatter_add(tf.IndexedSlices([1.0], [0]))
        return tf.gather(read, x) + changed[0]

    expected = [] if where == "nothing" else ["changed"]
    assert find_changed_state(serve.get_concrete_function()) == expected


@pytest.mark.parametrize("where", ["signature", "function", "branch", "loop", "nothing"])
def test_a_changed_lookup_table_is_named(where):
    import tensorflow as tf

    table = tf.lookup.experimental.MutableHashTable("int64", "int64", 0)

    def insert(x):
        table.insert(x, x)
        return x

    @tf.function(input_signature=[tf.TensorSpec([1], "int64")])
    def serve(x):
        if where == "signature":
            insert(x)
        if where == "function":
            tf.function(insert)(x)
        if where == "branch":
            tf.cond(x[0] > 0, lambda: tf.function(insert)(x), lambda: x)
        if where == "loop":
            tf.while_loop(lambda i: i[0] < 3, lambda i: [insert(i) + 1], [x])
        return table.lookup(x)

    expected = [] if where == "nothing" else ["a lookup table"]
    assert find_changed_state(serve.get_concrete_function()) == expected


def make_tables():
    import tensorflow as tf

    tables = tf.lookup.experimental
    return {
        "hash": tables.MutableHashTable("int64", "int64", 0),
        "dense": tables.DenseHashTable("int64", "int64", 0, empty_key=-1, deleted_key=-2),
        "text": tables.MutableHashTable("string", "float32", [0.0, 0.0]),
    }


@pytest.mark.parametrize("kind", ["hash", "dense", "text"])
def test_the_entries_of_a_table_are_restored(kind):
    import tensorflow as tf

    table = make_tables()[kind]
    keys = tf.constant([[b"a"], [b"b"]] if kind == "text" else [[1], [2]], table.key_dtype)
    shape = (1, 2) if kind == "text" else (1,)
    one, other = tf.ones(shape, table.value_dtype), tf.zeros(shape, table.value_dtype)
    table.insert(keys[0], one)
    with restore_state([], [table, keras.layers.Dense(1)]):
        table.insert(keys[0], other)
        table.insert(keys[1], one)
    assert int(table.size()) == 1
    np.testing.assert_array_equal(table.lookup(keys[0]), one)
    np.testing.assert_array_equal(table.lookup(keys[1]), other)


def test_a_signature_that_counts_in_a_table_is_exported_with_the_entries_before_the_check(tmp_path):
    import tensorflow as tf

    counts = make_tables()["hash"]
    counts.insert(tf.constant([1], "int64"), tf.constant([5], "int64"))

    @tf.function
    def count(words):
        counts.insert(words, counts.lookup(words) + 1)

    def serve(words):
        count(words[0])
        return {"count": counts.lookup(words[0])}

    spec = export.Spec("words", (None, 1), "int64")
    signatures = {"serving_default": (serve, [spec], [counts])}
    with pytest.warns(UserWarning, match="'a lookup table'"):
        path = export.saved_model(None, tmp_path / "m", signatures, {"words": np.int64([[1]])})
    assert counts.lookup(tf.constant([1], "int64")).numpy().tolist() == [5]
    answer = export.run_in_c_loader(path, "serving_default", {"words": np.int64([[1]])})
    assert answer["count"].tolist() == [6]


def test_a_signature_with_a_seed_input_changes_nothing(tmp_path):
    x = keras.Input((4,), name="x")
    model = keras.Model(x, LAYERS.Dropout(0.5)(x))
    sample = (lambda x: model(x, training=True), model.inputs, [model])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        export.saved_model(model, tmp_path / "m", {"sample": export.with_seed(sample)})
    assert [x.message for x in caught if "keep nothing" in str(x.message)] == []
