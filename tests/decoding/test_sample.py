"""Sampling: its distribution, its candidates, and the independence of the rows."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.decoding import greedy, sample
from keras_attention.decoding.token_noise import gumbel_noise, to_row_seeds
from tests.decoding.toy import END, PAD, START, Toy, table_step

PROBABILITIES = np.array([0.05, 0.3, 0.15, 0.2, 0.3])


def throw(rows=4000, probabilities=PROBABILITIES, steps=5, **options):
    """Sample tokens that all have the same distribution; return `(rows, steps)`."""
    size = len(probabilities)
    step = table_step(np.broadcast_to(probabilities, (size, size)))
    options = {"seed": 1, **options}
    decoded = sample(step, ops.zeros((rows, 1)), 0, -1, steps, **options)
    return ops.convert_to_numpy(decoded.tokens)


def assert_frequencies(tokens, expected):
    """Compare the frequencies of the tokens with probabilities, within 5 standard deviations."""
    count = tokens.size
    frequencies = np.bincount(tokens.ravel(), minlength=len(expected)) / count
    assert set(np.flatnonzero(frequencies)) == set(np.flatnonzero(expected))
    assert np.all(np.abs(frequencies - expected) < 5 * np.sqrt(expected / count) + 1e-12)


def decode(toy, decoder=sample, max_length=9, rows=slice(None), **options):
    """Decode the rows of the toy language; return the parts of `Decoded` as arrays."""

    def select(x):
        return None if x is None else ops.convert_to_tensor(ops.convert_to_numpy(x)[rows])

    decoded = decoder(
        toy.step,
        keras.tree.map_structure(select, toy.state()),
        START,
        END,
        max_length,
        memory=keras.tree.map_structure(select, toy.memory()),
        memory_mask=toy.mask[rows],
        pad_token=PAD,
        **options,
    )
    return [ops.convert_to_numpy(part) for part in decoded]


def hash_by_hand(x):
    """Compute `mix_bits` of one number with Python's integers."""
    x = (x + 0x9E3779B9) % 2**32
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = (x ^ (x >> shift)) * factor % 2**32
    return x ^ (x >> 16)


def compute_noise(seed, index, token):
    """Compute the noise of one row, step and token in float64."""
    bits = hash_by_hand(hash_by_hand(hash_by_hand(seed % 2**32) ^ index) ^ hash_by_hand(int(token)))
    return -np.log(-np.log1p(-((bits >> 1) + 0.5) / 2**31))


def sample_by_hand(toy, row, seed, max_length, temperature, top_k, top_p):
    """Sample one row of the toy language, token by token, in float64."""
    tokens, total, alignments = np.full(max_length, PAD), 0.0, np.zeros((max_length, 5))
    token, state = START, toy.start(row)
    for index in range(max_length):
        log_probabilities, state, alignments[index] = toy.advance(token, state, row)
        candidates = list(np.argsort(-log_probabilities, kind="stable"))[:top_k]
        shares = np.exp(log_probabilities[candidates] / temperature)
        shares /= shares.sum()
        count = next(n for n in range(1, top_k + 1) if shares[:n].sum() >= top_p)
        token = tokens[index] = max(
            candidates[:count],
            key=lambda t: log_probabilities[t] + temperature * compute_noise(seed, index, t),
        )
        total += log_probabilities[token]
        if token == END:
            break
    return tokens, index + 1, total, alignments


def test_samples_equal_those_of_a_loop_over_rows_steps_and_tokens():
    seeds, options = np.array([5, -1, 2**31 - 1, 0], "int32"), (0.7, 5, 0.8)
    names = ("temperature", "top_k", "top_p")
    lengths = set()
    for toy in (Toy(seed, vocabulary=7, batch=4) for seed in range(3)):
        decoded = decode(toy, seed=seeds, **dict(zip(names, options, strict=True)))
        rows = [sample_by_hand(toy, row, int(seeds[row]), 9, *options) for row in range(4)]
        for part, expected in zip(decoded, zip(*rows, strict=True), strict=True):
            np.testing.assert_allclose(part, np.stack(expected), rtol=1e-5, atol=1e-5)
        lengths |= set(decoded[1])
    assert len(lengths) > 2


def test_noise_has_the_gumbel_distribution_and_no_correlations():
    seeds, tokens = np.arange(1000, dtype="int32"), np.arange(1000, dtype="int32")
    noise = np.stack(
        [ops.convert_to_numpy(gumbel_noise(seeds, i, tokens)).astype("float64") for i in (0, 1)]
    )
    assert noise.mean() == pytest.approx(np.euler_gamma, abs=5e-3)
    assert noise.var() == pytest.approx(np.pi**2 / 6, abs=0.02)
    uniform = np.sort(np.exp(-np.exp(-noise[0].ravel())))
    distance = np.abs(uniform - np.linspace(0, 1, uniform.size)).max()
    assert distance < 1.95 / np.sqrt(uniform.size)  # Kolmogorov and Smirnov, p = 0.001
    normal = (noise - noise.mean()) / noise.std()
    for pairs in (
        normal[0] * normal[1],  # the same row and token, consecutive steps
        normal[0, 1:] * normal[0, :-1],  # consecutive seeds
        normal[0, :, 1:] * normal[0, :, :-1],  # consecutive tokens
    ):
        assert abs(pairs.mean()) < 5 / np.sqrt(pairs.size)


def test_frequencies_equal_the_probabilities():
    assert_frequencies(throw(), PROBABILITIES)


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_temperature_is_the_inverse_exponent_of_the_probabilities(temperature):
    powers = PROBABILITIES ** (1 / temperature)
    assert_frequencies(throw(temperature=temperature), powers / powers.sum())


@pytest.mark.parametrize(
    ("options", "candidates"),
    [
        ({"top_k": 1}, [1]),  # tokens 1 and 4 are equally probable
        ({"top_k": 2}, [1, 4]),
        ({"top_k": 4}, [1, 2, 3, 4]),
        ({"top_k": 5}, [0, 1, 2, 3, 4]),
        ({"top_k": 99}, [0, 1, 2, 3, 4]),
        ({"top_p": 1e-9}, [1]),
        ({"top_p": 0.3}, [1]),
        ({"top_p": 0.31}, [1, 4]),
        ({"top_p": 0.6}, [1, 4]),
        ({"top_p": 0.8}, [1, 3, 4]),
        ({"top_p": 0.81}, [1, 2, 3, 4]),
        ({"top_p": 0.96}, [0, 1, 2, 3, 4]),
        ({"top_p": 1}, [0, 1, 2, 3, 4]),
        ({"top_k": 3, "top_p": 0.75}, [1, 4]),  # 0.6 of the 0.8 that top_k leaves
        ({"top_k": 3, "top_p": 0.76}, [1, 3, 4]),
    ],
)
def test_candidates_are_exactly_the_most_probable_tokens(options, candidates):
    expected = np.zeros(5)
    expected[candidates] = PROBABILITIES[candidates]
    assert_frequencies(throw(**options), expected / expected.sum())


@pytest.mark.parametrize("count", [3, 10])
def test_equally_probable_tokens_are_candidates_in_the_order_of_their_ids(count):
    even = np.full(10, 0.1)
    for options in ({"top_k": count}, {"top_p": count / 10}):
        expected = np.where(np.arange(10) < count, 1 / count, 0)
        assert_frequencies(throw(probabilities=even, **options), expected)


def test_temperature_applies_before_top_p():
    # Squared and normalized, the probabilities of tokens 1 and 4 are 0.367 each.
    tokens = throw(temperature=0.5, top_p=0.7)
    assert_frequencies(tokens, np.array([0, 0.5, 0, 0, 0.5]))


def test_impossible_token_is_never_sampled():
    probabilities = np.array([0.0, 0.5, 0.0, 0.5])
    for options in ({}, {"top_k": 3}, {"top_p": 0.9}, {"temperature": 1e30}):
        tokens = throw(probabilities=probabilities, **options)
        assert set(np.unique(tokens)) == {1, 3}


def test_large_vocabulary_is_sampled_evenly():
    tokens = throw(500, np.full(2000, 1 / 2000), steps=10)
    assert tokens.mean() == pytest.approx(999.5, abs=5 * 2000 / np.sqrt(12 * tokens.size))
    assert 1780 < len(np.unique(tokens)) < 1890  # 1836 of the 2000 tokens are expected


@pytest.mark.parametrize("options", [{"temperature": 0}, {"top_k": 1}, {"top_p": 1e-9}])
@pytest.mark.parametrize("more", [{}, {"top_p": 0.9}, {"top_k": 3}])
def test_without_randomness_the_result_is_that_of_greedy_bit_for_bit(options, more):
    toy = Toy(seed=4, vocabulary=7, batch=4)
    for part, expected in zip(decode(toy, **{**more, **options}), decode(toy, greedy), strict=True):
        np.testing.assert_array_equal(part, expected)


def test_zero_temperature_chooses_the_first_of_equal_tokens_and_survives_dead_ends():
    for table in ([[0.2, 0.4, 0.4]] * 3, np.zeros((3, 3))):
        arguments = table_step(table), ops.zeros((2, 1)), 0, -1, 3
        for options in ({}, {"top_k": 2}, {"top_p": 0.5}):
            actual, expected = sample(*arguments, temperature=0.0, **options), greedy(*arguments)
            for part, expected_part in zip(actual[:3], expected[:3], strict=True):
                part, expected_part = map(ops.convert_to_numpy, (part, expected_part))
                np.testing.assert_array_equal(part, expected_part)


@pytest.mark.parametrize("options", [{}, {"top_k": 4, "top_p": 0.9}])
def test_row_depends_on_its_own_seed_not_on_other_rows_or_max_length(options):
    toy, seeds = Toy(seed=3, vocabulary=7, batch=4), np.array([8, 3, 8, 21], "int32")
    together = decode(toy, seed=seeds, temperature=1.5, **options)
    for rows in ([2], [3, 1], [1, 1, 0]):
        parts = decode(toy, rows=np.array(rows), seed=seeds[rows], temperature=1.5, **options)
        np.testing.assert_array_equal(parts[0], together[0][rows])
        np.testing.assert_allclose(parts[2], together[2][rows], rtol=1e-6)
    shorter = decode(toy, max_length=4, seed=seeds, temperature=1.5, **options)
    np.testing.assert_array_equal(shorter[0], together[0][:, :4])


def test_integer_seed_repeats_the_rows_and_differs_between_them():
    tokens = throw(rows=50, steps=20, seed=7)
    np.testing.assert_array_equal(throw(rows=50, steps=20, seed=np.int64(7)), tokens)
    scalar = ops.convert_to_tensor(7, dtype="int32")
    np.testing.assert_array_equal(throw(rows=50, steps=20, seed=scalar), tokens)
    np.testing.assert_array_equal(throw(rows=9, steps=20, seed=7), tokens[:9])
    assert len(np.unique(tokens, axis=0)) == 50
    assert (throw(rows=50, steps=20, seed=8) != tokens).mean() > 0.5


def test_generator_and_global_generator_draw_new_seeds_in_each_call():
    first, second = (keras.random.SeedGenerator(3) for _ in range(2))
    tokens = throw(rows=20, seed=first)
    np.testing.assert_array_equal(throw(rows=20, seed=second), tokens)
    assert (throw(rows=20, seed=first) != tokens).any()
    keras.utils.set_random_seed(0)
    tokens = throw(rows=20, seed=None)
    assert (throw(rows=20, seed=None) != tokens).any()
    keras.utils.set_random_seed(0)
    np.testing.assert_array_equal(throw(rows=20, seed=None), tokens)


def test_temperature_and_top_p_can_be_tensors_of_one_number_per_row():
    temperatures = np.array([0.0, 0.5, 2.0, -1.0, np.nan], "float32")
    shares = np.array([1.0, 0.5, 0.7, 1.0, 1.0], "float32")
    seeds = np.full(5, 4, "int32")
    tokens = throw(rows=5, steps=12, temperature=temperatures, top_p=shares, seed=seeds)
    for row, (temperature, share) in enumerate([(0, 1), (0.5, 0.5), (2, 0.7), (0, 1), (0, 1)]):
        options = {"temperature": temperature, "top_p": share, "seed": seeds[:1]}
        np.testing.assert_array_equal(tokens[row], throw(rows=1, steps=12, **options)[0])
    scalar = ops.convert_to_tensor(np.float32(0.5))
    np.testing.assert_array_equal(
        throw(rows=5, steps=12, temperature=scalar, top_p=scalar),
        throw(rows=5, steps=12, temperature=0.5, top_p=0.5),
    )


@pytest.mark.parametrize("share", [0.0, -1.0, np.nan])
def test_tensor_of_invalid_shares_leaves_the_most_probable_token(share):
    assert set(np.unique(throw(rows=9, top_p=np.full(9, share)))) == {1}


def test_scores_are_log_probabilities_without_temperature():
    step = table_step(np.broadcast_to(PROBABILITIES, (5, 5)))
    decoded = sample(step, ops.zeros((20, 1)), 0, -1, 4, temperature=3.0, top_k=3, seed=2)
    tokens = ops.convert_to_numpy(decoded.tokens)
    expected = np.log(PROBABILITIES)[tokens].sum(1)
    np.testing.assert_allclose(ops.convert_to_numpy(decoded.scores), expected, rtol=1e-5)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX has no int64 here")
def test_all_bits_of_a_long_seed_count():
    def compute(seeds):
        seeds = to_row_seeds(ops.convert_to_tensor(np.array(seeds, "int64")), [ops.zeros((4, 1))])
        return ops.convert_to_numpy(seeds).tolist()

    assert compute([5, -1, 2**31 - 1, 0]) == [5, -1, 2**31 - 1, 0]
    assert len(set(compute([0, 1 << 32, 2 << 32, 3 << 32]))) == 4
