"""Methods for decoding loops refuse symbolic tensors.

A functional model built from their results would lack the layer's weights.
"""

import keras
import numpy as np
import pytest

import keras_attention as ka

ROWS, STEPS = keras.Input((8,)), keras.Input((4, 8))
X = np.ones((2, 3, 8), "float32")


def build(layer, *inputs):
    layer(*inputs)
    return layer


DECODER = build(ka.AttentionDecoder(keras.layers.GRUCell(8), ka.LuongAttention(), "after"), X, X)
POINTER = build(ka.PointerDecoder(8), X, X)
HEADS = build(ka.MultiHeadSelfAttention(2), X)
BLOCK = build(ka.TransformerDecoderBlock(2, 8), X, X)
LOCAL = build(ka.LocalAttention(1), [X, X])
ATTENTION = build(ka.AdditiveAttention(4), [X, X])
STATE = DECODER.get_initial_state(2)
PREPARED_MEMORY = DECODER.prepare(X)
PREPARED_ELEMENTS = POINTER.prepare(X)
CALLS = {
    "decoder.prepare": lambda: DECODER.prepare(STEPS),
    "decoder.step": lambda: DECODER.step(ROWS, STATE, PREPARED_MEMORY),
    "decoder.step with a symbolic state": lambda: DECODER.step(
        X[:, 0], STATE._replace(cell=[ROWS]), PREPARED_MEMORY
    ),
    "decoder.get_initial_state": lambda: DECODER.get_initial_state(2, [ROWS]),
    "pointer.prepare": lambda: POINTER.prepare(STEPS),
    "pointer.step": lambda: POINTER.step(ROWS, POINTER.get_initial_state(2), PREPARED_ELEMENTS),
    "pointer.get_initial_state": lambda: POINTER.get_initial_state(2, [ROWS, ROWS]),
    "pointer.decode": lambda: POINTER.decode(STEPS),
    "heads.prepare": lambda: HEADS.prepare(STEPS),
    "heads.attend": lambda: HEADS.attend(STEPS, HEADS.prepare(X)),
    "heads.get_initial_cache": lambda: HEADS.get_initial_cache(keras.Input((), dtype="int32"), 5),
    "block.prepare": lambda: BLOCK.prepare(STEPS),
    "block.get_initial_cache": lambda: BLOCK.get_initial_cache(STEPS, 5),
    "local.attend": lambda: LOCAL.attend(STEPS, LOCAL.prepare(X)),
    "attention.prepare": lambda: ATTENTION.prepare(STEPS),
    "attention.attend": lambda: ATTENTION.attend(STEPS, ATTENTION.prepare(X)),
}


@pytest.mark.parametrize("call", CALLS)
def test_symbolic_tensors_are_refused(call):
    method = call.split()[0].split(".")[1]
    message = f"in a functional model, call `{method}` inside a layer or model of your own"
    with pytest.raises(ValueError, match=message):
        CALLS[call]()


@pytest.mark.parametrize(
    "scale", [lambda x: x * 0.5, lambda x: 2 * x, lambda x: x * np.ones(8), lambda x: x * x]
)
def test_scaled_symbolic_inputs_are_dense(scale):
    """Keras marks the product with a number as sparse."""
    x = keras.Input((4, 8))
    layers = [
        ka.AdditiveAttention(3),
        ka.MultiHeadSelfAttention(2),
        ka.AttentionPooling(),
        ka.TransformerEncoderBlock(2, 8),
    ]
    for layer in layers:
        model = keras.Model(x, layer(scale(x)))
        assert model(np.ones((2, 4, 8), "float32")).shape[-1] == 8


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="it has no sparse inputs")
def test_sparse_symbolic_inputs_are_refused():
    for x in (keras.Input((4, 8), sparse=True), keras.KerasTensor((2, 4, 8), sparse=True)):
        with pytest.raises(ValueError, match="Expected `inputs` to be dense"):
            ka.AttentionPooling()(x)
