import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
import keras_attention.kernels.additive.compare as compare_module
from keras_attention.kernels.additive.attention import exceeds_one_block
from keras_attention.kernels.additive.compare import compare, has_kernel
from keras_attention.score import AdditiveScore, DotScore

UNITS = 17
RNG = np.random.default_rng(0)


def tensor(*shape):
    return keras.KerasTensor(shape)


@pytest.mark.parametrize(
    "query, key, compiled, uncompiled",
    [
        ((8, 256, 64), (8, 256, 64), True, True),
        ((None, 256, 64), (None, 256, 64), True, True),
        ((None, None, 64), (None, None, 64), True, True),
        ((64, 20, 256), (64, 20, 256), True, False),
        ((8, 16, 64), (8, 16, 64), False, False),
        ((None, 1, 64), (None, None, 64), False, False),
        ((8, 256, 8), (8, 256, 8), False, False),
        ((8, 256, 64), (1, 256, 64), False, False),
    ],
    ids=["large", "batch", "unknown", "short", "small", "one_query", "few_units", "one_memory"],
)
def test_sizes_take_the_kernel_where_it_is_faster(query, key, compiled, uncompiled, monkeypatch):
    query, key = tensor(*query), tensor(*key)
    for is_compiled, taken in [(True, compiled), (False, uncompiled)]:
        monkeypatch.setattr(compare_module, "is_compiled", lambda answer=is_compiled: answer)
        assert has_kernel(AdditiveScore(), query, key) == taken
        assert has_kernel(AdditiveScore(implementation="blockwise"), query, key)
        assert not has_kernel(AdditiveScore(implementation="plain"), query, key)


@pytest.mark.parametrize(
    "query, key, exceeds",
    [
        ((8, 256, 64), (8, 256, 64), False),
        ((8, 257, 64), (8, 256, 64), True),
        ((None, 1024, 64), (None, 1024, 64), True),
        ((None, None, 64), (None, None, 64), False),
    ],
)
def test_only_long_sequences_are_read_in_blocks(query, key, exceeds):
    assert exceeds_one_block(tensor(*query), tensor(*key)) == exceeds


def test_a_score_of_ones_own_is_compared_as_it_says():
    @keras.saving.register_keras_serializable(package="tests")
    class Half(AdditiveScore):
        def compare(self, query, key):
            return super().compare(query, key) / 2

    query, key = RNG.normal(size=(2, 2, 3, UNITS)).astype("float32")
    halved, whole = Half(implementation="blockwise"), AdditiveScore(implementation="blockwise")
    for score in (halved, whole):
        score(query, key)
        score.set_weights([np.eye(UNITS), np.eye(UNITS), np.ones(UNITS)])
    found = [ops.convert_to_numpy(compare(score, query, key)) for score in (halved, whole)]
    np.testing.assert_allclose(2 * found[0], found[1], atol=1e-5)


def test_the_argument_is_in_the_config_and_checked():
    layer = keras_attention.AdditiveAttention(implementation="blockwise")
    again = keras_attention.AdditiveAttention.from_config(layer.get_config())
    assert again.score.implementation == "blockwise"
    with pytest.raises(ValueError, match="Expected `implementation` to be one of .* Received: "):
        AdditiveScore(implementation="fast")


def test_another_score_has_no_kernel():
    query = RNG.normal(size=(2, 300, 64)).astype("float32")
    assert not has_kernel(DotScore(), query, query)
    got, want = compare(DotScore(), query, query), DotScore()(query, query)
    np.testing.assert_array_equal(*(ops.convert_to_numpy(x) for x in (got, want)))
