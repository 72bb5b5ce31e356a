"""Limits of ids, from the embeddings that look up an input directly."""

import keras
import numpy as np
import pytest

from keras_attention import export
from keras_attention.export.signatures.signature import collect_signatures
from keras_attention.export.signatures.spec import as_spec

layers = keras.layers


def find_limits(model):
    (signature,) = collect_signatures(model, None)
    return {spec.name: spec.below for spec in signature.inputs}


def test_each_input_of_a_shared_embedding_has_its_limit():
    a, b, c = (keras.Input((None,), dtype="int32", name=name) for name in "abc")
    words = layers.Embedding(7, 3)
    summed = words(a) + words(b) + layers.Embedding(5, 3)(b) + words(keras.ops.clip(c, 0, 6))
    assert find_limits(keras.Model([a, b, c], summed)) == {"a": 7, "b": 5, "c": None}


def test_sequential_models_floats_and_subclasses():
    class Wrapped(layers.Embedding):
        def call(self, x):
            return super().call(x % self.input_dim)

    def build(layer, dtype):
        return keras.Sequential([keras.Input((None,), dtype=dtype, name="x"), layer])

    assert find_limits(build(layers.Embedding(7, 3), "uint8")) == {"x": 7}
    assert find_limits(build(layers.Embedding(7, 3), "float32")) == {"x": None}
    assert find_limits(build(Wrapped(7, 3), "int32")) == {"x": None}


def test_ids_outside_of_the_table_are_refused_with_lengths_too(tmp_path):
    words = keras.Input((None,), dtype="int32", name="words")
    model = keras.Model(words, layers.Embedding(7, 3, mask_zero=True)(words))
    signatures = {"lengths": export.with_lengths(model, {"words": 0})}
    path = export.saved_model(model, tmp_path / "m", signatures)
    for name, more in (("serving_default", {}), ("lengths", {"lengths": np.int32([2])})):
        assert export.run_in_c_loader(path, name, {"words": np.int32([[6, 0]]), **more})
        for ids in ([-1, 1], [1, 7]):
            with pytest.raises(RuntimeError, match="values of `words` to be ids from 0 to 6"):
                export.run_in_c_loader(path, name, {"words": np.int32([ids]), **more})
    with pytest.raises(ValueError, match="`example` to be valid.*ids from 0 to 6"):
        export.saved_model(model, tmp_path / "m", example={"words": [[7]]})


def test_an_explicit_spec_decides():
    words = keras.Input((None,), dtype="int32", name="words")
    model = keras.Model(words, layers.Embedding(7, 3)(words))
    signature = {"serving_default": (lambda words: model(words), [as_spec(words)])}
    (signature,) = collect_signatures(model, signature)
    assert signature.inputs[0].below is None
