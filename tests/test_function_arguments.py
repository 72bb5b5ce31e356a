"""A wrong number or flag raises an error that names the argument."""

import numpy as np
import pytest

import keras_attention as ka

SCORES = np.zeros((1, 2, 3), "float32")
X = np.ones((2, 3, 4), "float32")
WRONG_SIZES = ["x", [1], {}, None, -1, True, 1.5, 2.0, float("nan")]
WRONG_WEIGHTS = ["x", [1], None, -0.5, True, float("nan"), float("inf")]


@pytest.fixture(scope="module")
def layers():
    attention = ka.MultiHeadSelfAttention(2)
    attention(X)
    pointer = ka.PointerDecoder(4)
    pointer(np.zeros((2, 3), int), X, X)
    return {"attention": attention, "pointer": pointer}


@pytest.mark.parametrize("value", WRONG_SIZES, ids=repr)
def test_error_names_the_wrong_size(value, layers):
    for name, call in [
        ("queries", lambda: ka.mask.causal(value, 3)),
        ("keys", lambda: ka.mask.causal(3, value)),
        ("queries", lambda: ka.mask.window(value, 3, 1)),
        ("keys", lambda: ka.mask.window(3, value, 1)),
        ("width", lambda: ka.mask.window(3, 3, value)),
        ("keys", lambda: ka.mask.visited(np.array([0, 1]), value)),
        ("batch_size", lambda: layers["attention"].get_initial_cache(value, 3)),
        ("batch_size", lambda: layers["pointer"].get_initial_state(value)),
    ]:
        with pytest.raises(ValueError, match=f"`{name}` to be an integer .* Received: {name}="):
            call()


@pytest.mark.parametrize("value", WRONG_WEIGHTS, ids=repr)
def test_error_names_the_wrong_weight(value):
    for name in ("reward_weight", "entropy_weight"):
        with pytest.raises(ValueError, match=f"`{name}` to be a finite number"):
            ka.reinforce([], np.ones(2, "float32"), **{name: value})
    with pytest.raises(ValueError, match="`deviation` to be a finite number"):
        ka.normalize.gaussian(SCORES, distance=SCORES, deviation=value)


def test_error_names_the_wrong_flag_or_function():
    with pytest.raises(ValueError, match="`renormalize` to be True or False"):
        ka.normalize.gaussian(SCORES, distance=SCORES, deviation=1.0, renormalize="yes")
    with pytest.raises(ValueError, match="`distribution` to be a function"):
        ka.normalize.masked("softmax")
