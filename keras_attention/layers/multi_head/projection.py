"""The weights of a projection."""

from keras_attention.initial_weights import clone_initializer


def add_projection(layer, name, width, units):
    """Add the weights `name_kernel` and, with `use_bias`, `name_bias` to a layer.

    Args:
        layer: A layer with `use_bias`, `kernel_initializer`, `bias_initializer` and
            `kernel_regularizer`.
        name: Name of the projection.
        width: Width of the input.
        units: Width of the output.

    Returns:
        The weights for `project`: kernel `(width, units)` and, with `use_bias`, bias `(units,)`.
    """
    kernel = layer.add_weight(
        name=f"{name}_kernel",
        shape=(width, units),
        initializer=clone_initializer(layer.kernel_initializer),
        regularizer=layer.kernel_regularizer,
        autocast=False,
    )
    if not layer.use_bias:
        return (kernel,)
    bias = layer.add_weight(
        name=f"{name}_bias", shape=(units,), initializer=layer.bias_initializer, autocast=False
    )
    return kernel, bias
