"""Call a model in inference, without effects on the losses of its last call."""

import functools
from typing import Any

import keras

from keras_attention.types import Layer, Nest


def call_model(model: Layer, inputs: Nest) -> Nest:
    """Return a model's outputs in inference; its losses stay as they are.

    The call must be inside a `keras.StatelessScope`, which keeps losses and variables.

    Args:
        model: The model.
        inputs: Its inputs.
    """
    return _ModelCall(model, inputs)()


class _ModelCall(keras.layers.Layer):
    """Calls a model inside another layer, because Keras clears the losses of the outermost one."""

    def __init__(self, model: Layer, inputs: Nest) -> None:
        super().__init__(name="model_call", dtype="float32")  # not to autocast the model's inputs
        self._call_model = functools.partial(model, inputs, training=False)
        self.built = True

    def call(self, inputs: None = None) -> Any:  # Keras needs an argument.
        return self._call_model()
