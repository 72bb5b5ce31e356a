"""What is drawn in a served signature follows from the row's seed and from nothing else."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention import export
from keras_attention.decoding import greedy
from keras_attention.export.checks.fresh_process import run_calls
from keras_attention.export.signatures.signature import collect

KEYS, WORDS, LONGEST = 11, 7, 13


def looking():
    """Hard attention whose draw can be read off: the values are the keys' numbers."""
    keras.utils.set_random_seed(0)
    query, value = keras.Input((3,), name="query"), keras.Input((KEYS, KEYS), name="value")
    layer = keras_attention.HardAttention(expectation_rate=0.0)
    context, weights = layer([query, value], return_attention_scores=True)
    return keras.Model([query, value], {"context": context, "weights": weights})


def babbling(source):
    """Sampled decoding: greedy on logits with Gumbel noise, drawn ahead of the loop."""
    uniform = keras.random.uniform((ops.shape(source)[0], LONGEST, WORDS), 1e-6, 1, seed=BABBLE)
    noise = -ops.log(-ops.log(uniform))

    def step(tokens, state, memory):
        fallen = ops.take_along_axis(noise, ops.reshape(state, (-1, 1, 1)), axis=1)[:, 0]
        return fallen, state + 1, None

    first = ops.zeros_like(source[:, 0])
    return {"tokens": greedy(step, first, 0, -1, LONGEST).tokens}


def lengthy(source):
    """As many draws as there are words, which nobody knows before a request."""
    return keras.random.uniform(ops.shape(source), seed=BABBLE)


BABBLE = keras.random.SeedGenerator(0)
LENGTHY = {"source": np.zeros((0, 5), "int32"), "seed": np.zeros((0, 2), "int32")}


@pytest.fixture(scope="module")
def model():
    return looking()


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    def draw(query, value):
        return model([query, value], training=True)

    source = export.Spec("source", (None, None), "int32")
    return export.saved_model(
        None,
        tmp_path_factory.mktemp("models") / "m",
        {
            "serving_default": export.with_seed((draw, model.inputs, [model])),
            "lengthy": export.with_seed((lengthy, [source], [BABBLE])),
            "babble": export.with_seed((babbling, [source], [BABBLE])),
        },
    )


def inputs(seeds):
    count = len(seeds)
    return {
        "query": np.ones((count, 3), "float32"),
        "value": np.broadcast_to(np.eye(KEYS, dtype="float32"), (count, KEYS, KEYS)),
        "seed": np.array(seeds, "int32"),
    }


def test_a_seed_draws_the_same_alone_in_a_batch_and_after_others(path):
    seeds = [[1, 2], [-5, 2**31 - 1], [1, 3]]
    calls = [("serving_default", inputs(s)) for s in (seeds, seeds[1:2], seeds[:1], seeds)]
    batch, second, first, again = (answer["context"] for answer in run_calls(path, calls))
    np.testing.assert_array_equal(batch, again)
    np.testing.assert_array_equal(batch[1:2], second)
    np.testing.assert_array_equal(batch[:1], first)
    assert set(batch.ravel().tolist()) == {0, 1}  # a draw, not a mean


def test_seeds_draw_every_key_as_often_as_its_weight_says(path):
    count = 1100
    answer = export.run_in_c_loader(path, "serving_default", inputs([[i, 7] for i in range(count)]))
    expected = answer["weights"][0] * count
    found = answer["context"].sum(axis=0)
    assert np.all(np.abs(found - expected) < 5 * np.sqrt(expected))


def test_decoding_samples_at_every_step_anew(path):
    ones = np.ones((4, 2), "int32")
    asked = {"source": ones, "seed": np.array([[0, 1], [0, 2], [0, 1], [9, 9]], "int32")}
    tokens = export.run_in_c_loader(path, "babble", asked)["tokens"]
    assert tokens.shape == (4, LONGEST)
    np.testing.assert_array_equal(tokens[0], tokens[2])
    assert len({tuple(row) for row in tokens.tolist()}) == 3
    assert len(set(tokens[0].tolist())) > 2


def test_no_rows_are_answered_with_none(path):
    """Nobody knows the sizes of what was never computed; map_fn fails there."""
    calls = [("serving_default", inputs(np.zeros((0, 2)))), ("lengthy", LENGTHY)]
    drawn, lengthy = run_calls(path, calls)
    assert drawn["context"].shape == (0, KEYS)
    assert lengthy["output"].shape == (0, 0)


def test_the_generator_of_the_model_is_not_moved(model, path):
    """Nothing that a client draws stays behind for the next one."""
    from keras_attention.export.checks.graph import read, remarks

    assert not any("from one request to the next" in line for line in remarks(read(path)))


def test_two_generators_draw_independently():
    one, other = keras.random.SeedGenerator(3), keras.random.SeedGenerator(3)

    def draw(x):
        return {
            str(index): keras.random.uniform(ops.shape(x), seed=generator)
            for index, generator in enumerate([one, other, one])
        }

    signature = export.with_seed((draw, [export.Spec("x", (None, 50), "float32")], [one, other]))
    (signature,) = collect(None, {"serving_default": signature})
    import tensorflow as tf

    drawn = signature.outputs(tf.ones((1, 50)), tf.constant([[0, 0]]))
    shared = [
        set(drawn[a].numpy().ravel()) & set(drawn[b].numpy().ravel()) for a, b in ("01", "02", "12")
    ]
    assert shared == [set(), set(), set()]


def test_what_does_not_draw_is_refused():
    x = keras.Input((2,), name="x")
    with pytest.raises(ValueError, match="SeedGenerator to draw by. Received: resources=.*Func"):
        export.with_seed(keras.Model(x, keras.layers.Dense(2)(x)))


def refused(draw, message, tmp_path):
    generator = keras.random.SeedGenerator(0)
    spec = export.Spec("x", (None, 2), "float32")
    signature = export.with_seed((lambda x: draw(x, generator), [spec], [generator]))
    with pytest.raises(ValueError, match=message):
        export.saved_model(None, tmp_path / "m", {"serving_default": signature})


def test_a_draw_in_a_loop_is_refused(tmp_path):
    def draw(x, generator):
        def step(x):
            return (x + keras.random.uniform((1, 2), seed=generator),)

        return ops.while_loop(lambda x: ops.all(x < 9), step, (x,), maximum_iterations=3)[0]

    refused(draw, "draws outside of loops.*seed_generator_state", tmp_path)


def test_an_output_without_a_batch_is_refused(tmp_path):
    refused(
        lambda x, generator: ops.mean(keras.random.uniform((3,), seed=generator)),
        r"Expected output 'output' to be \(batch, ...\)",
        tmp_path,
    )
