"""MonotonicAttention against the papers' recursions, and its training, position and decoder."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import AttentionDecoder, MonotonicAttention, decoding
from tests import reference_sequential

BATCH, QUERIES, KEYS, WIDTH = 2, 4, 9, 3
RNG = np.random.default_rng(0)
QUERY = RNG.normal(size=(BATCH, QUERIES, WIDTH)).astype("float32")
VALUE = RNG.normal(size=(BATCH, KEYS, 5)).astype("float32")
KEY_MASK = np.array([[True] * KEYS, [False] + [True] * 5 + [False] * 3])
QUERY_MASK = np.array([[True] * QUERIES, [True, False, True, True]])


def numpy(x):
    return ops.convert_to_numpy(x)


def build(**options):
    layer = MonotonicAttention(**{"bias": 0.0, **options})
    layer.build([QUERY.shape, VALUE.shape])
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])
    return layer


def run(layer, **options):
    masks = [QUERY_MASK, KEY_MASK]
    outputs = layer([QUERY, VALUE], mask=masks, return_attention_scores=True, **options)
    return [numpy(x) for x in outputs]


def run_reference(layer, width, is_hard):
    energies = numpy(layer.score(QUERY, VALUE)) + numpy(layer.energy_bias)
    scores = energies if width == 1 else numpy(layer.chunk_score(QUERY, VALUE))
    masks = QUERY_MASK[:, :, None] & KEY_MASK[:, None, :]
    rows = [
        reference_sequential.monotonic_attention(*row, width, is_hard)
        for row in zip(energies, scores, masks, VALUE, strict=True)
    ]
    return [np.stack(parts) for parts in zip(*rows, strict=True)]


@pytest.mark.parametrize("score", ["additive", "general"])
@pytest.mark.parametrize("chunk", [1, 3])
@pytest.mark.parametrize("inference", ["hard", "soft"])
def test_contexts_and_weights_equal_the_recursions(score, chunk, inference):
    layer = build(score=score, chunk=chunk, inference=inference)
    expected = run_reference(layer, chunk, inference == "hard")
    for result, reference in zip(run(layer), expected, strict=True):
        np.testing.assert_allclose(result, reference, atol=1e-5)


def test_training_without_noise_uses_the_expected_weights():
    layer = build(noise=0.0, inference="hard")
    expected = run_reference(layer, 1, is_hard=False)
    for result, reference in zip(run(layer, training=True), expected, strict=True):
        np.testing.assert_allclose(result, reference, atol=1e-5)


def test_noise_differs_between_calls_and_has_its_deviation():
    layer = build(noise=0.5, seed=1)
    noise = numpy(
        layer.perturbation.sample(np.zeros((50, 40, 1)), layer.prepare(np.zeros((50, 30, 5))))
    )
    assert noise.shape == (50, 40, 30)
    assert abs(noise.std() - 0.5) < 0.01
    first, second = (run(layer, training=True)[1] for _ in range(2))
    assert not np.allclose(first, second, atol=1e-3)


def test_query_without_a_choice_keeps_the_position():
    layer = MonotonicAttention("general", bias=0.0)
    query, value = np.array([[[1.0], [-1.0], [1.0]]], "float32"), np.eye(4, dtype="float32")[None]
    layer.build([query.shape, value.shape])
    layer.set_weights([np.float32(0), np.array([[-1.0, -1.0, 1.0, -1.0]])])
    # Query 0 chooses key 2, query 1 finds no positive score from there but key 3's, and so on.
    query[0, 1] = 0.0
    context, weights = layer([query, value], return_attention_scores=True)
    np.testing.assert_array_equal(numpy(weights)[0], [[0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 1, 0]])
    np.testing.assert_array_equal(numpy(context)[0], numpy(weights)[0])


def test_attention_never_moves_back():
    layer = build(inference="soft")
    _, weights = run(layer)
    cumulated = np.cumsum(weights, axis=-1)[0]
    assert (np.diff(cumulated, axis=0) <= 1e-6).all()


@pytest.mark.parametrize("chunk", [1, 2])
def test_decoder_runs_the_same_steps_as_its_loop(chunk):
    attention = MonotonicAttention(bias=0.0, chunk=chunk)
    decoder = AttentionDecoder(keras.layers.GRUCell(6), attention, attend="after")
    outputs, alignments = decoder(QUERY, VALUE, memory_mask=KEY_MASK, return_attention_scores=True)
    memory = decoder.prepare(VALUE, KEY_MASK)
    state = decoder.get_initial_state(BATCH, memory=memory)
    for t in range(QUERIES):
        output, alignment, state = decoder.step(QUERY[:, t], state, memory)
        np.testing.assert_allclose(numpy(output), numpy(outputs)[:, t], atol=1e-5)
        np.testing.assert_allclose(numpy(alignment), numpy(alignments)[:, t], atol=1e-5)


def test_beam_search_reorders_the_position_with_its_hypotheses():
    attention = MonotonicAttention(bias=0.0, inference="soft", chunk=2)
    decoder = AttentionDecoder(keras.layers.GRUCell(6), attention, attend="after")
    embed, project = keras.layers.Embedding(7, WIDTH), keras.layers.Dense(7)
    embed.build()
    project.build((None, 5))

    def step(tokens, state, memory):
        output, alignment, state = decoder.step(embed(tokens), state, memory)
        return project(output), state, alignment

    decoder(QUERY, VALUE)
    memory = decoder.prepare(VALUE, KEY_MASK)
    state = decoder.get_initial_state(BATCH, memory=memory)
    arguments = {"start_token": 1, "end_token": 2, "max_length": 6, "memory": memory}
    greedy = decoding.greedy(step, state, **arguments)
    narrow = decoding.beam_search(step, state, beam_width=1, **arguments)
    np.testing.assert_array_equal(numpy(greedy.tokens), numpy(narrow.tokens)[:, 0])
    wide = decoding.beam_search(step, state, beam_width=4, **arguments)
    # The log-probability of each hypothesis, computed from its tokens one by one.
    tokens = numpy(wide.tokens)[:, 0]
    log_probability, current = np.zeros(BATCH), state
    previous, is_open = np.full(BATCH, 1), np.ones(BATCH, bool)
    for t in range(tokens.shape[1]):
        logits, current, _ = step(ops.convert_to_tensor(previous), current, memory)
        log_probabilities = numpy(ops.log_softmax(logits))
        chosen = np.take_along_axis(log_probabilities, tokens[:, t : t + 1], axis=1)[:, 0]
        log_probability += np.where(is_open, chosen, 0.0)
        is_open &= tokens[:, t] != 2
        previous = tokens[:, t]
    np.testing.assert_allclose(numpy(wide.scores)[:, 0], log_probability, atol=1e-4)


def test_decoder_trains_under_xla_with_unknown_sizes():
    if keras.backend.backend() == "torch":
        pytest.skip("Keras does not compile on PyTorch")
    attention = MonotonicAttention("general", bias=0.0, chunk=2)
    decoder = AttentionDecoder(keras.layers.GRUCell(6), attention, attend="after")
    inputs = [keras.Input((None, x.shape[-1])) for x in (QUERY, VALUE)]
    model = keras.Model(inputs, decoder(*inputs))
    model.compile("sgd", "mse", jit_compile=True)
    target = np.ones((BATCH, QUERIES, VALUE.shape[-1]), "float32")
    before = decoder.attention.score.get_weights()[0]
    model.fit([QUERY, VALUE], target, verbose=0)
    assert np.abs(decoder.attention.score.get_weights()[0] - before).max() > 0


def test_expectation_never_jumps_back_when_all_weights_vanish():
    layer = MonotonicAttention("general", bias=0.0, inference="soft")
    query, value = np.array([[[-110.0], [100.0]]], "float32"), np.ones((1, 3, 1), "float32")
    layer.build([query.shape, value.shape])
    layer.set_weights([np.float32(0), np.ones((1, 1))])
    _, weights = layer([query, value], return_attention_scores=True)
    np.testing.assert_allclose(numpy(weights), 0.0, atol=1e-30)


def test_masked_query_passes_the_position_on():
    layer = build()
    kept = layer([QUERY[1:, [0, 2, 3]], VALUE[1:]], mask=[None, KEY_MASK[1:]])
    np.testing.assert_allclose(run(layer)[0][1, [0, 2, 3]], numpy(kept)[0], atol=1e-6)


def test_without_noise_nothing_is_drawn():
    layer = build(noise=0.0)
    memory = layer.prepare(VALUE)
    noise = numpy(layer.perturbation.sample(QUERY, memory))
    np.testing.assert_array_equal(noise, np.zeros((BATCH, QUERIES, 1)))
