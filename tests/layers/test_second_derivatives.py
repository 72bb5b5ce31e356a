"""Second derivatives match finite differences, with custom gradients and under compilers.

Gradient penalties need second derivatives. If a custom gradient closes over values that it should
differentiate, they are wrong, and no error is raised.
"""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention as ka
from keras_attention.kernels import tuning
from tests.finite_differences import GRAD_DTYPE

BACKEND = keras.backend.backend()
RNG = np.random.default_rng(0)
QUERY, MEMORY = (
    RNG.normal(size=(2, 5, 4)).astype(GRAD_DTYPE),
    RNG.normal(size=(2, 6, 4)).astype(GRAD_DTYPE),
)
DIRECTIONS = [RNG.normal(size=x.shape).astype(GRAD_DTYPE) for x in (QUERY, MEMORY)]
BLOCKWISE = {"implementation": "blockwise", "dtype": GRAD_DTYPE}


def attend(layer, **options):
    return lambda query, memory: layer([query, memory], **options)


def decode(decoder):
    # XLA cannot differentiate a TensorFlow loop twice if it has propagated a constant into it.
    return lambda query, memory: decoder(query, memory, memory_mask=memory[..., 0] > -0.5)


def cell():
    return keras.layers.SimpleRNNCell(2, dtype=GRAD_DTYPE)


COMPILED = {
    "scores": lambda: attend(ka.AdditiveAttention(16, dtype=GRAD_DTYPE)),
    "dot": lambda: attend(ka.MultiHeadAttention(2, 2, **BLOCKWISE), use_causal_mask=True),
    "decoder": lambda: decode(
        ka.AttentionDecoder(cell(), ka.AdditiveAttention(16, dtype=GRAD_DTYPE), dtype=GRAD_DTYPE)
    ),
}
EAGER = {
    **COMPILED,
    "additive": lambda: attend(ka.AdditiveAttention(16, **BLOCKWISE), return_attention_scores=True),
    "pointer": lambda: decode(ka.PointerDecoder(16, cell(), dtype=GRAD_DTYPE)),
    "local": lambda: attend(ka.LocalAttention(1, dtype=GRAD_DTYPE)),
    "local-m": lambda: attend(ka.LocalAttention(1, "monotonic", dtype=GRAD_DTYPE)),
    "cosine": lambda: attend(ka.Attention("cosine", dtype=GRAD_DTYPE)),
    "sparsemax": lambda: attend(ka.Attention(normalize="sparsemax", dtype=GRAD_DTYPE)),
    "memory": lambda: (lambda run: lambda query, memory: run(query))(
        keras.layers.RNN(ka.NTMCell(3, slots=4, width=2, dtype=GRAD_DTYPE), dtype=GRAD_DTYPE)
    ),
}


def gradient_functions(mechanism):
    """Return the gradient of a scalar function, and that of its product with `DIRECTIONS`."""

    def loss(*inputs):
        outputs = keras.tree.flatten(mechanism(*inputs))
        return sum(ops.sum(ops.sin(3 * x)) for x in outputs)

    def contract(gradients):
        return sum(ops.sum(g * d) for g, d in zip(gradients, DIRECTIONS, strict=True))

    if BACKEND == "jax":
        import jax

        gradient = jax.grad(loss, (0, 1))
        return gradient, jax.grad(lambda *x: contract(gradient(*x)), (0, 1))
    import tensorflow as tf

    def gradient(*inputs, function=loss):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value = function(*inputs)
        return tape.gradient(value, inputs, unconnected_gradients="zero")

    return gradient, lambda *x: gradient(*x, function=lambda *y: contract(gradient(*y)))


def assert_second_derivatives_match(mechanism, compile_function=lambda f: f):
    inputs = [ops.convert_to_tensor(x) for x in (QUERY, MEMORY)]
    mechanism(*inputs)
    gradient, second = gradient_functions(mechanism)
    step = 1e-5 if GRAD_DTYPE == "float64" else 1e-2
    sides = (
        gradient(*(x + s * d for x, d in zip(inputs, DIRECTIONS, strict=True)))
        for s in (step, -step)
    )
    for result, above, below in zip(compile_function(second)(*inputs), *sides, strict=True):
        difference = (ops.convert_to_numpy(above) - ops.convert_to_numpy(below)) / (2 * step)
        tolerance = (1e-6 if GRAD_DTYPE == "float64" else 1e-2) * np.abs(difference).max()
        np.testing.assert_allclose(ops.convert_to_numpy(result), difference, rtol=0, atol=tolerance)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="finite differences need float64")
@pytest.mark.parametrize("name", EAGER)
def test_second_derivatives_match_finite_differences(name):
    assert_second_derivatives_match(EAGER[name]())


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch compiles for minutes")
@pytest.mark.parametrize("name", COMPILED)
def test_compiled_second_derivatives_match_finite_differences(name, monkeypatch):
    monkeypatch.setattr(tuning, "ADDITIVE_TERMS_PER_ITERATION", 2)  # 16 would compile for a minute
    monkeypatch.setattr(tuning, "ADDITIVE_MIN_ELEMENTS_COMPILED", 0)
    if BACKEND == "jax":
        import jax

        compile_function = jax.jit
    else:
        import tensorflow as tf

        def compile_function(function):
            return tf.function(function, jit_compile=True)

    assert_second_derivatives_match(COMPILED[name](), compile_function)
