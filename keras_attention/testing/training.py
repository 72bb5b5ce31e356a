"""The check that a layer learns in a compiled model and stores nothing from its calls."""

import inspect
from collections.abc import Callable

import keras
import numpy as np

from keras_attention.testing.backends import compute_shapes
from keras_attention.testing.case import LayerCase
from keras_attention.testing.promise import promise, require
from keras_attention.testing.state import check_attributes


@promise("the layer learns in a model that is compiled by XLA, and stores nothing from its calls")
def check_layer_learns_when_compiled(case: LayerCase) -> None:
    """Train on random targets for 24 steps, with dropout if the layer has it.

    The layer's attributes must not change, because it would store a symbolic tensor of the compiled
    program.
    """
    # The progress of a sampling layer depends on its random numbers, and the first weights may be
    # so good by chance that little is left to learn.
    losses = _train(case, seed=1)
    if losses[-1] >= 0.9 * losses[0]:
        losses = _train(case, seed=2)
    require(losses[-1] < 0.9 * losses[0], f"The loss went from {losses[0]} to {losses[-1]}")


def _train(case, seed):
    """Return the mean loss of each of 12 pairs of steps."""
    keras.utils.set_random_seed(seed)
    has_dropout = "dropout" in inspect.signature(case.layer_class.__init__).parameters
    layer = case.make(dropout=0.1) if has_dropout else case.make()
    query, value, *_ = case.batch(6, 3, 7)
    inputs = [keras.Input((None, case.width)) for _ in range(2)]
    model = keras.Model(inputs, keras.layers.Dense(1)(case.call(layer, *inputs)[0]))
    uses_xla = keras.backend.backend() != "torch"
    optimizer = keras.optimizers.Adagrad(0.1)  # compiles in less time than Adam
    optimizer.build(model.trainable_variables)  # otherwise Keras traces the training step twice
    model.compile(optimizer, "mse", jit_compile=uses_xla)
    (shape,) = compute_shapes(lambda *inputs: [model(list(inputs))], query, value)
    attributes = dict(vars(layer))
    target = np.random.default_rng(2).normal(size=shape).astype("float32")
    losses = []
    for _ in range(12):
        # `train_on_batch` avoids the overhead of `fit`. After the second half, it returns the mean
        # loss of both, because the metrics are reset before the first half.
        model.reset_metrics()
        for half in (slice(3), slice(3, 6)):
            loss = model.train_on_batch([query[half], value[half]], target[half])
        losses.append(loss)
    check_attributes(layer, attributes)
    require(model.jit_compile == uses_xla, "The model is not compiled by XLA")
    return losses


CHECKS: list[Callable] = [check_layer_learns_when_compiled]
