"""Multi-head layers converted from and to those of Keras, weights included."""

import keras
from keras import ops

from keras_attention.layers.multi_head.multi_head_attention import MultiHeadAttention
from keras_attention.layers.multi_head.multi_head_self_attention import MultiHeadSelfAttention

SHARED = (
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


def multi_head_from_keras(layer, kind=MultiHeadSelfAttention):
    """A layer of this package that computes what a multi-head layer of Keras computes.

    Args:
        layer: A built `keras.layers.MultiHeadAttention` or `keras.layers.GroupQueryAttention`.
        kind: `MultiHeadSelfAttention` or `MultiHeadAttention`: which layer to make. Both have the
            same weights.

    Returns:
        A built layer of that kind with the same weights. Regularizers, constraints and
        initializers of Keras that ours does not have are left behind: they do not change what a
        layer computes.

    Raises:
        ValueError: If the layer is not one of these, not built or built for another rank than 3,
            has LoRA or quantized weights, or an argument that ours has no counterpart for:
            `output_shape`, `attention_axes` or `use_gate`, a `sliding_window` of 1, or any where
            `kind` is `MultiHeadAttention`.

    Differs from what the layer of Keras computes in two cases: a causal mask and a window are
    aligned to the lower right here and to the upper left there, which is the same for as many
    queries as keys; and a query that may see nothing gives zeros here.

    Example:
    >>> x = np.random.default_rng(0).normal(size=(2, 3, 8)).astype("float32")
    >>> theirs = keras.layers.MultiHeadAttention(num_heads=4, key_dim=2)
    >>> wanted = theirs(x, x)
    >>> ours = keras_attention.multi_head_from_keras(theirs)
    >>> bool(np.allclose(ours(x), wanted, atol=1e-6))
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
    others = [w.name for w in layer.weights if w.name not in ("kernel", "bias")]
    if others:
        raise ValueError(
            "Expected a `layer` of plain kernels and biases: merge LoRA weights first, and do not "
            f"quantize. Received: a layer with {others}"
        )
    config = layer.get_config()
    options = {name: config[name] for name in SHARED}
    if is_grouped:
        options |= {"num_heads": config["num_query_heads"], "key_dim": config["head_dim"]}
        options |= {"num_key_value_heads": config["num_key_value_heads"]}
    else:
        options |= {name: config[name] for name in ("num_heads", "key_dim", "value_dim")}
    if config.get("sliding_window") == 1:
        raise ValueError(
            "Expected `sliding_window` to be None or at least 2, which is a window of 1 here. "
            "Received: sliding_window=1"
        )
    if kind is MultiHeadSelfAttention and config["sliding_window"] is not None:
        options["window"] = config.pop("sliding_window") - 1  # Keras counts the query itself too
    ours = {"use_gate": [False], "output_shape": [None], "attention_axes": [None, (1,)]}
    ours["sliding_window"] = [None]
    for name, known in ours.items():
        if config.get(name, known[0]) not in known:
            raise ValueError(
                f"Expected `{name}` in {known} to make a {kind.__name__} of it. "
                f"Received: {name}={config[name]!r}"
            )
    inputs = "abc" if is_grouped else layer.query_dense.equation.split(",")[0]
    if len(inputs) != 3:
        raise ValueError(
            "Expected `layer` to be built for inputs (batch, T, width). "
            f"Received: one built for inputs of rank {len(inputs)}"
        )
    made = kind.from_config(options)
    query, key, value = _widths(layer)
    made.build([(None, None, query), (None, None, value), (None, None, key)])
    return _copy_weights(layer, made)


def multi_head_to_keras(layer):
    """A multi-head layer of Keras that computes what one of this package computes.

    Args:
        layer: A built `MultiHeadSelfAttention` or `MultiHeadAttention`.

    Returns:
        A built `keras.layers.MultiHeadAttention` with the same weights, or, where heads share
        keys and values, a `keras.layers.GroupQueryAttention`. It is called as
        `layer(query, value, key)`.

    Raises:
        ValueError: If the layer is not one of these, not built, or has what Keras has not: rotary
            positions, or, where heads share keys and values, a `value_dim` of its own.

    Example:
    >>> x = np.random.default_rng(0).normal(size=(2, 3, 8)).astype("float32")
    >>> ours = keras_attention.MultiHeadSelfAttention(num_heads=4, key_dim=2)
    >>> wanted = ours(x)
    >>> theirs = keras_attention.multi_head_to_keras(ours)
    >>> bool(np.allclose(theirs(x, x), wanted, atol=1e-6))
    True
    """
    if not isinstance(layer, MultiHeadAttention):
        raise ValueError(
            "Expected `layer` to be a MultiHeadSelfAttention or MultiHeadAttention of this "
            f"package. Received: layer={layer!r}"
        )
    _check_built(layer)
    config = layer.get_config()
    options = {name: config[name] for name in SHARED}
    if getattr(layer, "rotary_base", None) is not None:
        raise ValueError(
            "Expected a layer without rotary positions, which Keras does not have. "
            f"Received: rotary_base={layer.rotary_base}"
        )
    if getattr(layer, "window", None) is not None:
        options["sliding_window"] = layer.window + 1  # Keras counts the query itself too
    heads, groups = layer.num_heads, layer.num_key_value_heads or layer.num_heads
    if heads == groups:
        made = keras.layers.MultiHeadAttention(
            heads, layer._key_dim, value_dim=layer._value_dim, **options
        )
    elif layer._value_dim == layer._key_dim:
        made = keras.layers.GroupQueryAttention(layer._key_dim, heads, groups, **options)
    else:
        raise ValueError(
            "Expected `value_dim` to be `key_dim` where heads share keys and values. "
            f"Received: value_dim={layer._value_dim}, key_dim={layer._key_dim}"
        )
    query, key, value = _widths(layer)
    made.build((None, None, query), (None, None, value), (None, None, key))
    return _copy_weights(layer, made)


def _check_built(layer):
    if not layer.built:
        raise ValueError(f"Expected `layer` to be built. Received: layer={layer!r}, not built")


def _widths(layer):
    """Widths of query, key and value, from the kernels: those with an axis more than their bias."""
    rank = max(len(w.shape) for w in layer.weights)
    return [w.shape[0] for w in layer.weights if len(w.shape) == rank][:3]


def _copy_weights(source, target):
    """Head after head in two axes here, in three there: the same numbers in the same order."""
    for old, new in zip(source.weights, target.weights, strict=True):
        new.assign(ops.reshape(old, new.shape))
    return target
