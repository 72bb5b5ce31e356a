"""Weights of a layer that share one initializer object start with different values."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention.initial_weights import clone_initializer

QUERY, VALUE = np.ones((2, 3, 5), "float32"), np.ones((2, 7, 5), "float32")


def uniform():
    return keras.initializers.RandomUniform(-0.1, 0.1)


@pytest.mark.parametrize("score", ["general", "concat", "location"])
def test_weights_of_luong_attention_differ(score):
    options = {"max_length": 7} if score == "location" else {}
    layer = keras_attention.LuongAttention(score, 4, kernel_initializer=uniform(), **options)
    layer([QUERY, VALUE])
    assert_all_different(layer)


@pytest.mark.parametrize("score", ["general", "concat"])
def test_weights_of_local_attention_differ(score):
    layer = keras_attention.LocalAttention(2, score=score, units=4, kernel_initializer=uniform())
    layer([QUERY, VALUE])
    assert_all_different(layer)


def test_weights_of_additive_score_differ():
    initializer = uniform()
    score = keras_attention.score.AdditiveScore(
        kernel_initializer=initializer, scale_initializer=initializer
    )
    score(QUERY, VALUE)
    assert_all_different(score)


def test_weights_of_pointer_decoder_differ():
    names = ("kernel", "scale", "begin", "end")
    initializer = uniform()
    cell = keras.layers.GRUCell(3)
    options = {f"{name}_initializer": initializer for name in names}
    layer = keras_attention.PointerDecoder(5, cell=cell, end_slot=True, **options)
    layer(np.array([[1, 2]] * 2), VALUE, VALUE)
    cell_weights = [id(weight) for weight in cell.weights]
    assert_all_different(layer, [w for w in layer.weights if id(w) not in cell_weights])


def test_clone_initializer_returns_a_function_unchanged():
    assert clone_initializer(ops.zeros) is ops.zeros


def assert_all_different(layer, weights=None):
    weights = layer.weights if weights is None else weights
    values_by_weight = [set(ops.convert_to_numpy(w).ravel().tolist()) for w in weights]
    assert len(values_by_weight) > 1
    for first, second in itertools.combinations(values_by_weight, 2):
        assert not first & second
