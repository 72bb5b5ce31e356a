"""One query at a time: the plain scores and gradients, by exponentials made before the loop."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
import keras_attention.kernels.additive.compare as compare_module
from keras_attention.kernels.additive.compare import compare, once_per_sequence
from keras_attention.kernels.additive.single_query import additive_step, exponentials
from keras_attention.score import AdditiveScore, DotScore
from tests.gradients import gradients
from tests.kernels.additive.test_xla import on_tensorflow, plain

UNITS = 17


def arrays(size=1.0, batch=2, keys=7):
    rng = np.random.default_rng(0)
    shapes = (batch, 1, UNITS), (batch, keys, UNITS), (UNITS,)
    return [size * rng.normal(size=shape).astype("float32") for shape in shapes[:2]] + [
        rng.normal(size=shapes[2]).astype("float32")
    ]


def stepped(query, key, scale):
    return additive_step(query, key, exponentials(key), scale)


@pytest.mark.parametrize("size", [0.1, 1, 10])
def test_scores_and_gradients_are_the_plain_ones(size):
    given = arrays(size)
    got, want = (ops.convert_to_numpy(f(*given)) for f in (stepped, plain))
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * np.abs(want).max())
    upstream = np.random.default_rng(1).normal(size=(2, 1, 7)).astype("float32")
    found, wanted = (
        gradients(lambda *x, f=f: ops.sum(ops.multiply(f(*x), upstream)), given)
        for f in (stepped, plain)
    )
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-4 * np.abs(want).max())


def test_beyond_a_tanh_is_saturated_and_nothing_is_nan():
    query, key, scale = arrays(1e12)
    found = [ops.convert_to_numpy(stepped(query, key, scale))]
    found += gradients(lambda *x: ops.sum(stepped(*x)), (query, key, scale))
    assert all(np.isfinite(x).all() for x in found)


@pytest.mark.parametrize(
    "score, is_compiled, prepared",
    [
        (AdditiveScore(UNITS), True, True),
        (AdditiveScore(UNITS), False, False),
        (AdditiveScore(UNITS, implementation="plain"), True, False),
        (AdditiveScore(4), True, False),
        (DotScore(), True, False),
    ],
)
def test_only_a_compiler_is_given_exponentials(score, is_compiled, prepared, monkeypatch):
    monkeypatch.setattr(compare_module, "is_compiled", lambda: is_compiled)
    key = ops.ones((2, 7, getattr(score, "units", None) or 8))
    assert (once_per_sequence(score, key) is not None) == prepared


def test_several_queries_and_one_memory_for_all_are_compared_as_before(monkeypatch):
    monkeypatch.setattr(compare_module, "additive_step", None)
    query, key, scale = arrays()
    score = AdditiveScore(UNITS)
    score(query, key)
    compare(score, np.repeat(query, 3, axis=1), key, exponentials(key))
    compare(score, query, key[:1], exponentials(key[:1]))
    with pytest.raises(TypeError):
        compare(score, query, key, exponentials(key))


@on_tensorflow
@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_a_compiled_decoder_takes_the_step_and_learns_as_the_plain_one(known, monkeypatch):
    import tensorflow as tf

    taken = []
    monkeypatch.setattr(
        compare_module, "additive_step", lambda *x: taken.append(x) or additive_step(*x)
    )
    rng = np.random.default_rng(2)
    target, memory = (rng.normal(size=(2, t, 5)).astype("float32") for t in (3, 6))
    mask = np.arange(6) < np.array([[4], [6]])
    results = []
    for implementation in ("auto", "plain"):
        keras.utils.set_random_seed(0)
        attention = keras_attention.AdditiveAttention(UNITS, implementation=implementation)
        decoder = keras_attention.AttentionDecoder(keras.layers.GRUCell(8), attention)
        decoder(target, memory)
        shape = (None, None, 5) if not known else None
        given = [tf.TensorSpec(shape or x.shape) for x in (target, memory)]

        @tf.function(input_signature=given, jit_compile=True)
        def run(target, memory, decoder=decoder):
            with tf.GradientTape() as tape:
                tape.watch([target, memory])
                outputs = decoder(target, memory, memory_mask=mask)
                loss = tf.reduce_sum(tf.sin(outputs))
            variables = [v.value for v in decoder.trainable_variables]
            return outputs, *tape.gradient(loss, [target, memory, *variables])

        results.append(run(target, memory))
        assert bool(taken) == (implementation == "auto")
        taken.clear()
    for got, want in zip(*results, strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-5)
