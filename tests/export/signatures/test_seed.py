"""`with_seed`: the random numbers of a served signature depend only on the row's seed."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention import export
from keras_attention.decoding import greedy
from keras_attention.export.checks.graph import find_graph_remarks, load_meta_graph
from keras_attention.export.signatures.signature import collect_signatures

KEYS, WORDS, MAX_LENGTH = 11, 7, 13
GENERATOR = keras.random.SeedGenerator(0)
EMPTY_SOURCE = {"source": np.zeros((0, 5), "int32"), "seed": np.zeros((0, 2), "int32")}


def make_hard_attention_model():
    """Build hard attention for one-hot values, so that the context shows the sampled key."""
    keras.utils.set_random_seed(0)
    query, value = keras.Input((3,), name="query"), keras.Input((KEYS, KEYS), name="value")
    layer = keras_attention.HardAttention(expectation_rate=0.0)
    context, weights = layer([query, value], return_attention_scores=True)
    return keras.Model([query, value], {"context": context, "weights": weights})


def sample_tokens(source):
    """Decode by sampling: greedy decoding of Gumbel noise, which is sampled before the loop."""
    uniform = keras.random.uniform(
        (ops.shape(source)[0], MAX_LENGTH, WORDS), 1e-6, 1, seed=GENERATOR
    )
    noise = -ops.log(-ops.log(uniform))

    def step(tokens, state, memory):
        logits = ops.take_along_axis(noise, ops.reshape(state, (-1, 1, 1)), axis=1)[:, 0]
        return logits, state + 1, None

    first = ops.zeros_like(source[:, 0])
    return {"tokens": greedy(step, first, 0, -1, MAX_LENGTH).tokens}


def sample_per_word(source):
    """Return one random number per word: their number is unknown before the request."""
    return keras.random.uniform(ops.shape(source), seed=GENERATOR)


@pytest.fixture(scope="module")
def model():
    return make_hard_attention_model()


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    def sample_key(query, value):
        return model([query, value], training=True)

    source = export.Spec("source", (None, None), "int32")
    return export.saved_model(
        None,
        tmp_path_factory.mktemp("models") / "m",
        {
            "serving_default": export.with_seed((sample_key, model.inputs, [model])),
            "per_word": export.with_seed((sample_per_word, [source], [GENERATOR])),
            "tokens": export.with_seed((sample_tokens, [source], [GENERATOR])),
        },
    )


def make_inputs(seeds):
    count = len(seeds)
    return {
        "query": np.ones((count, 3), "float32"),
        "value": np.broadcast_to(np.eye(KEYS, dtype="float32"), (count, KEYS, KEYS)),
        "seed": np.array(seeds, "int32"),
    }


def test_a_seed_gives_the_same_sample_alone_in_a_batch_and_after_other_requests(
    path, loader_process
):
    seeds = [[1, 2], [-5, 2**31 - 1], [1, 3]]
    calls = [("serving_default", make_inputs(s)) for s in (seeds, seeds[1:2], seeds[:1], seeds)]
    answers = loader_process.run_calls(path, calls)
    batch, second, first, repeated = (answer["context"] for answer in answers)
    np.testing.assert_array_equal(batch, repeated)
    np.testing.assert_array_equal(batch[1:2], second)
    np.testing.assert_array_equal(batch[:1], first)
    assert set(batch.ravel().tolist()) == {0, 1}  # a sampled key, not a weighted mean


def test_over_many_seeds_every_key_is_sampled_as_often_as_its_weight(path):
    count = 1100
    inputs = make_inputs([[i, 7] for i in range(count)])
    answer = export.run_in_c_loader(path, "serving_default", inputs)
    expected = answer["weights"][0] * count
    sampled = answer["context"].sum(axis=0)
    assert np.all(np.abs(sampled - expected) < 5 * np.sqrt(expected))


def test_sampled_decoding_uses_new_numbers_at_every_step(path):
    source = np.ones((4, 2), "int32")
    inputs = {"source": source, "seed": np.array([[0, 1], [0, 2], [0, 1], [9, 9]], "int32")}
    tokens = export.run_in_c_loader(path, "tokens", inputs)["tokens"]
    assert tokens.shape == (4, MAX_LENGTH)
    np.testing.assert_array_equal(tokens[0], tokens[2])
    assert len({tuple(row) for row in tokens.tolist()}) == 3
    assert len(set(tokens[0].tolist())) > 2


def test_an_empty_batch_gets_an_empty_answer(path, loader_process):
    """Without rows map_fn cannot tell the sizes of an output, and fails."""
    calls = [("serving_default", make_inputs(np.zeros((0, 2)))), ("per_word", EMPTY_SOURCE)]
    keys, numbers = loader_process.run_calls(path, calls)
    assert keys["context"].shape == (0, KEYS)
    assert numbers["output"].shape == (0, 0)


def test_the_served_graph_keeps_no_generator_state_between_requests(path):
    remarks = find_graph_remarks(load_meta_graph(path))
    assert not any("keeps state between requests" in line for line in remarks)


def test_two_generators_give_independent_numbers():
    first, second = keras.random.SeedGenerator(3), keras.random.SeedGenerator(3)

    def sample(x):
        return {
            str(index): keras.random.uniform(ops.shape(x), seed=generator)
            for index, generator in enumerate([first, second, first])
        }

    spec = export.Spec("x", (None, 50), "float32")
    signature = export.with_seed((sample, [spec], [first, second]))
    (signature,) = collect_signatures(None, {"serving_default": signature})
    import tensorflow as tf

    samples = signature.compute_outputs(tf.ones((1, 50)), tf.constant([[0, 0]]))
    shared = [
        set(samples[a].numpy().ravel()) & set(samples[b].numpy().ravel())
        for a, b in ("01", "02", "12")
    ]
    assert shared == [set(), set(), set()]


def test_a_signature_without_a_generator_is_refused():
    x = keras.Input((2,), name="x")
    with pytest.raises(ValueError, match="SeedGenerator. Received: resources=.*Func"):
        export.with_seed(keras.Model(x, keras.layers.Dense(2)(x)))


def assert_refused(sample, message, tmp_path):
    generator = keras.random.SeedGenerator(0)
    spec = export.Spec("x", (None, 2), "float32")
    signature = export.with_seed((lambda x: sample(x, generator), [spec], [generator]))
    with pytest.raises(ValueError, match=message):
        export.saved_model(None, tmp_path / "m", {"serving_default": signature})


def test_sampling_inside_a_loop_is_refused(tmp_path):
    def sample(x, generator):
        def step(x):
            return (x + keras.random.uniform((1, 2), seed=generator),)

        return ops.while_loop(lambda x: ops.all(x < 9), step, (x,), maximum_iterations=3)[0]

    assert_refused(sample, "drawn outside of loops.*seed_generator_state", tmp_path)


def test_an_output_without_a_batch_dimension_is_refused(tmp_path):
    assert_refused(
        lambda x, generator: ops.mean(keras.random.uniform((3,), seed=generator)),
        r"Expected output 'output' to be \(batch, ...\)",
        tmp_path,
    )


def test_the_self_check_runs_the_rows_eagerly(tmp_path):
    import tensorflow as tf

    def sample(x):
        # What a graph adds must be noticed.
        offset = 0.0 if tf.executing_eagerly() else 0.1
        return x + offset + keras.random.normal((1, 2), seed=GENERATOR)

    signature = export.with_seed((sample, [export.Spec("x", (None, 2), "float32")], [GENERATOR]))
    with pytest.raises(export.SelfCheckError, match="signature 'serving_default'"):
        export.saved_model(None, tmp_path / "m", {"serving_default": signature})
