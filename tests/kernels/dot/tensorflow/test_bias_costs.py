"""Tensor sizes with a bias: neither the bias nor its gradient needs a tensor of all weights."""

import keras
import pytest

import keras_attention
from tests.kernels.dot.test_costs import max_elements

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="inspects the program for XLA"
)
LENGTH, HEADS, BATCH = 2048, 2, 3
KEY_BIAS, PAIR_BIAS = (HEADS, 1, LENGTH), (HEADS, LENGTH, LENGTH)


def max_elements_with_bias(implementation, shape, **call):
    """Return the size of the largest tensor of a training step with a bias of this shape."""
    import tensorflow as tf

    layer = keras_attention.MultiHeadSelfAttention(HEADS, 4, implementation=implementation)
    layer.build((None, None, 8))

    def run(x, bias):
        with tf.GradientTape() as tape:
            tape.watch([x, bias])
            loss = tf.reduce_sum(layer(x, attention_bias=bias, **call))
        return tape.gradient(loss, [x, bias])

    return max_elements(run, tf.zeros((BATCH, LENGTH, 8)), tf.zeros(shape))


@pytest.mark.parametrize("causal", [False, True])
def test_bias_of_keys_needs_no_tensor_larger_than_a_block(causal):
    assert max_elements_with_bias("auto", KEY_BIAS, use_causal_mask=causal) <= 512 * LENGTH


@pytest.mark.parametrize("causal", [False, True])
def test_bias_of_pairs_needs_no_tensor_larger_than_itself(causal):
    assert max_elements_with_bias("auto", PAIR_BIAS, use_causal_mask=causal) <= HEADS * LENGTH**2
    assert max_elements_with_bias("plain", PAIR_BIAS) >= BATCH * HEADS * LENGTH**2
