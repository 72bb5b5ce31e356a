"""Lookup tables are exported with the weights, whether the model or a resource holds them."""

import keras
import numpy as np
import pytest

from keras_attention import export
from keras_attention.export.checks.fresh_process import run_calls


def test_the_vocabulary_of_a_model_is_exported(tmp_path):
    text = keras.Input((), dtype="string", name="text")
    words = keras.layers.TextVectorization(vocabulary=["attention", "is"])(text)
    path = export.saved_model(keras.Model(text, words), tmp_path / "m")
    answer = export.run_in_c_loader(path, "serving_default", {"text": ["Is attention", "what is"]})
    assert answer["output"].tolist() == [[3, 2], [1, 3]]


def test_a_table_that_only_the_function_uses_is_exported_as_a_resource(tmp_path):
    import tensorflow as tf

    words = tf.lookup.KeyValueTensorInitializer(tf.constant([3, 5]), tf.constant(["all", "you"]))
    table = tf.lookup.StaticHashTable(words, "?")
    decode = keras.layers.StringLookup(vocabulary=["need"], invert=True)
    spec = [keras.InputSpec(shape=(None,), dtype="int32", name="ids")]
    path = export.saved_model(
        None,
        tmp_path / "m",
        {
            "serving_default": (lambda ids: {"words": table.lookup(ids)}, spec, [table]),
            "decode": (lambda ids: decode(ids), spec, [decode]),
        },
    )
    inputs = {"ids": np.array([5, 1], "int32")}
    first, second = run_calls(path, [("serving_default", inputs), ("decode", inputs)])
    assert first["words"].tolist() == [b"you", b"?"]
    assert second["output"].tolist() == [b"[UNK]", b"need"]


def test_a_table_that_nothing_holds_is_refused_with_the_name_of_the_argument(tmp_path):
    import tensorflow as tf

    words = tf.lookup.KeyValueTensorInitializer(tf.constant([3, 5]), tf.constant(["all", "you"]))
    table = tf.lookup.StaticHashTable(words, "?")
    spec = [keras.InputSpec(shape=(None,), dtype="int32", name="ids")]
    signatures = {"serving_default": (lambda ids: {"words": table.lookup(ids)}, spec)}
    with pytest.raises(ValueError, match=r"`resources`.*\[table\].*'serving_default'"):
        export.saved_model(None, tmp_path / "m", signatures)
    assert not (tmp_path / "m").exists()
