"""A bias costs what it has itself, forward and in its gradient: no table of all weights is made."""

import keras
import pytest

import keras_attention
from tests.kernels.dot.test_costs import largest

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="elsewhere a bias takes the plain steps"
)
LENGTH, HEADS, BATCH = 2048, 2, 3
OF_KEYS, OF_PAIRS = (HEADS, 1, LENGTH), (HEADS, LENGTH, LENGTH)


def largest_of(implementation, shape, **call):
    """Elements of the largest tensor of a training step with such a bias."""
    import tensorflow as tf

    layer = keras_attention.MultiHeadSelfAttention(HEADS, 4, implementation=implementation)
    layer.build((None, None, 8))

    def run(x, bias):
        with tf.GradientTape() as tape:
            tape.watch([x, bias])
            loss = tf.reduce_sum(layer(x, attention_bias=bias, **call))
        return tape.gradient(loss, [x, bias])

    return largest(run, tf.zeros((BATCH, LENGTH, 8)), tf.zeros(shape))


@pytest.mark.parametrize("causal", [False, True])
def test_a_bias_of_keys_makes_no_more_than_a_block(causal):
    assert largest_of("auto", OF_KEYS, use_causal_mask=causal) <= 512 * LENGTH


@pytest.mark.parametrize("causal", [False, True])
def test_a_bias_of_pairs_makes_no_more_than_it_has(causal):
    assert largest_of("auto", OF_PAIRS, use_causal_mask=causal) <= HEADS * LENGTH**2
    assert largest_of("plain", OF_PAIRS) >= BATCH * HEADS * LENGTH**2
