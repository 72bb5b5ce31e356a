"""A projection of a sequence's features: its weights, and what it makes of a sequence."""

from keras import ops

from keras_attention.initial_weights import clone_initializer


def add_projection(layer, name, width, units):
    """Gives a layer the weights `name_kernel` and, with its `use_bias`, `name_bias`.

    Args:
        layer: A layer with `use_bias`, `kernel_initializer`, `bias_initializer` and
            `kernel_regularizer`.
        name: What is projected.
        width: Width of what comes in.
        units: Width of what comes out.

    Returns:
        What `project` takes: kernel `(width, units)`, and bias `(units,)` with `use_bias`.
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


def project(x, kernel, bias=None):
    """`x kernel + bias`, `(..., width)` -> `(..., units)`."""
    if x.shape[-1] not in (None, kernel.shape[0]):
        raise ValueError(
            f"Expected the width {kernel.shape[0]} that the layer was built with. "
            f"Received: a tensor of shape {tuple(x.shape)}"
        )
    projected = ops.matmul(x, kernel)
    return projected if bias is None else ops.add(projected, bias)
