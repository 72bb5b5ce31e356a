"""Refuse symbolic tensors in methods that a loop calls instead of the layer."""

import keras
from keras import tree


def check_not_symbolic(method, **arguments):
    """Raise a ValueError if an argument contains a symbolic tensor of a functional model.

    A functional model knows the weights of the layers that are called. Weights that a method uses
    on symbolic tensors would be neither trained nor saved with the model.

    Args:
        method: Name of the method, for the error message.
        arguments: The method's arguments, each a nest of tensors.
    """
    for name, nest in arguments.items():
        for x in tree.flatten(nest):
            if isinstance(x, keras.KerasTensor):
                raise ValueError(
                    f"Expected `{name}` to be a tensor or nest of tensors; in a functional model, "
                    f"call `{method}` inside a layer or model of your own. Received: {name}={x!r}"
                )
