"""Convert multi-head layers from and to Keras's own, including their weights."""

import keras
from keras import ops

from keras_attention.layers.multi_head.multi_head_attention import MultiHeadAttention
from keras_attention.layers.multi_head.multi_head_self_attention import MultiHeadSelfAttention
from keras_attention.types import Layer

COMMON_ARGUMENTS = (
    "dropout",
    "use_bias",
    "seed",
    "kernel_initializer",
    "bias_initializer",
    "kernel_regularizer",
    "name",
    "trainable",
    "dtype",
)


def multi_head_from_keras(
    layer: Layer, kind: type[MultiHeadAttention] = MultiHeadSelfAttention
) -> MultiHeadAttention:
    """Convert a multi-head layer of Keras to a layer of this package.

    Args:
        layer: A built `keras.layers.MultiHeadAttention` or `keras.layers.GroupQueryAttention`.
        kind: Class of the new layer, `MultiHeadSelfAttention` or `MultiHeadAttention`. Both have
            the same weights.

    Returns:
        A built layer of that class with the same weights. Regularizers, constraints and
        initializers that exist only in Keras are not converted: they do not change the outputs.

    Raises:
        ValueError: If the layer is of another class, is not built, is built for inputs of a rank
            other than 3, has LoRA or quantized weights, or has an argument without a counterpart:
            `output_shape`, `attention_axes`, `use_gate`, a `sliding_window` of 1, or any
            `sliding_window` if `kind` is `MultiHeadAttention`.

    The outputs differ from those of Keras in two cases. A causal mask and a window are aligned to
    the lower right here and to the upper left in Keras, which differs if there are more keys than
    queries or fewer. And a query without a visible key gives zeros here.

    Example:
    >>> x = np.random.default_rng(0).normal(size=(2, 3, 8)).astype("float32")
    >>> theirs = keras.layers.MultiHeadAttention(num_heads=4, key_dim=2)
    >>> expected = theirs(x, x)
    >>> ours = keras_attention.multi_head_from_keras(theirs)
    >>> bool(np.allclose(ours(x), expected, atol=1e-6))
    True
    """
    is_grouped = isinstance(layer, keras.layers.GroupQueryAttention)
    if not is_grouped and not isinstance(layer, keras.layers.MultiHeadAttention):
        raise ValueError(
            "Expected `layer` to be a keras.layers.MultiHeadAttention or GroupQueryAttention. "
            f"Received: layer={layer!r}"
        )
    if kind not in (MultiHeadAttention, MultiHeadSelfAttention):
        raise ValueError(
            "Expected `kind` to be MultiHeadSelfAttention or MultiHeadAttention. "
            f"Received: kind={kind!r}"
        )
    _check_built(layer)
    other_weights = [w.name for w in layer.weights if w.name not in ("kernel", "bias")]
    if other_weights:
        raise ValueError(
            "Expected a `layer` of plain kernels and biases: merge LoRA weights first, and do not "
            f"quantize the layer. Received: a layer with the weights {other_weights}"
        )
    config = layer.get_config()
    options = {name: config[name] for name in COMMON_ARGUMENTS}
    if is_grouped:
        options |= {"num_heads": config["num_query_heads"], "key_dim": config["head_dim"]}
        options |= {"num_key_value_heads": config["num_key_value_heads"]}
    else:
        options |= {name: config[name] for name in ("num_heads", "key_dim", "value_dim")}
    if config.get("sliding_window") == 1:
        raise ValueError(
            "Expected `sliding_window` to be None or at least 2 (a `window` of 1 in this package). "
            "Received: sliding_window=1"
        )
    if kind is MultiHeadSelfAttention and config["sliding_window"] is not None:
        options["window"] = config.pop("sliding_window") - 1  # Keras's includes the query itself
    supported = {"use_gate": [False], "output_shape": [None], "attention_axes": [None, (1,)]}
    supported["sliding_window"] = [None]
    for name, values in supported.items():
        if config.get(name, values[0]) not in values:
            raise ValueError(
                f"Expected `{name}` to be one of {values}, to convert to a {kind.__name__}. "
                f"Received: {name}={config[name]!r}"
            )
    inputs = "abc" if is_grouped else layer.query_dense.equation.split(",")[0]
    if len(inputs) != 3:
        raise ValueError(
            "Expected `layer` to be built for inputs (batch, T, width). "
            f"Received: a layer built for inputs of rank {len(inputs)}"
        )
    converted = kind.from_config(options)
    query, key, value = _input_widths(layer)
    converted.build([(None, None, query), (None, None, value), (None, None, key)])
    return _copy_weights(layer, converted)


def multi_head_to_keras(layer: MultiHeadAttention) -> Layer:
    """Convert a multi-head layer of this package to a layer of Keras.

    Args:
        layer: A built `MultiHeadSelfAttention` or `MultiHeadAttention`.

    Returns:
        A built `keras.layers.MultiHeadAttention` with the same weights, or, if heads share keys
        and values, a `keras.layers.GroupQueryAttention`. It is called as
        `layer(query, value, key)`.

    Raises:
        ValueError: If the layer is of another class, is not built, or has an option without a
            counterpart in Keras: rotary positions, or, if heads share keys and values, a
            `value_dim` other than `key_dim`.

    Example:
    >>> x = np.random.default_rng(0).normal(size=(2, 3, 8)).astype("float32")
    >>> ours = keras_attention.MultiHeadSelfAttention(num_heads=4, key_dim=2)
    >>> expected = ours(x)
    >>> theirs = keras_attention.multi_head_to_keras(ours)
    >>> bool(np.allclose(theirs(x, x), expected, atol=1e-6))
    True
    """
    if not isinstance(layer, MultiHeadAttention):
        raise ValueError(
            "Expected `layer` to be a MultiHeadSelfAttention or MultiHeadAttention of this "
            f"package. Received: layer={layer!r}"
        )
    _check_built(layer)
    config = layer.get_config()
    options = {name: config[name] for name in COMMON_ARGUMENTS}
    if layer.rotary_base is not None:
        raise ValueError(
            "Expected a layer without rotary positions, which Keras does not have. "
            f"Received: rotary_base={layer.rotary_base}"
        )
    if layer.window is not None:
        options["sliding_window"] = layer.window + 1  # Keras's includes the query itself
    heads, groups = layer.num_heads, layer.num_key_value_heads or layer.num_heads
    if heads == groups:
        converted = keras.layers.MultiHeadAttention(
            heads, layer._key_dim, value_dim=layer._value_dim, **options
        )
    elif layer._value_dim == layer._key_dim:
        converted = keras.layers.GroupQueryAttention(layer._key_dim, heads, groups, **options)
    else:
        raise ValueError(
            "Expected `value_dim` to equal `key_dim` if heads share keys and values. "
            f"Received: value_dim={layer._value_dim}, key_dim={layer._key_dim}"
        )
    query, key, value = _input_widths(layer)
    converted.build((None, None, query), (None, None, value), (None, None, key))
    return _copy_weights(layer, converted)


def _check_built(layer):
    if not layer.built:
        raise ValueError(f"Expected `layer` to be built. Received: layer={layer!r}, not built")


def _input_widths(layer):
    """Return the widths of query, key and value: the first axis of each kernel.

    The kernels are the weights of the highest rank.
    """
    rank = max(len(w.shape) for w in layer.weights)
    return [w.shape[0] for w in layer.weights if len(w.shape) == rank][:3]


def _copy_weights(source, target):
    """Copy weights by reshaping: Keras gives heads their own axis, in the same memory order."""
    for old, new in zip(source.weights, target.weights, strict=True):
        new.assign(ops.reshape(old, new.shape))
    return target
