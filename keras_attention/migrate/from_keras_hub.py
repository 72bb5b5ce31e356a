"""Convert the Transformer layers of KerasHub."""

from typing import Any

from keras_attention.layers.transformer.transformer_decoder_block import TransformerDecoderBlock
from keras_attention.layers.transformer.transformer_encoder_block import TransformerEncoderBlock
from keras_attention.migrate.assign_weights import assign_sublayer_weights
from keras_attention.types import Layer

WEIGHT_NAMES = {"kernel", "bias", "gamma", "beta"}


def encoder_block_from_keras_hub(layer: Layer) -> TransformerEncoderBlock:
    """Convert a `keras_hub.layers.TransformerEncoder` to a `TransformerEncoderBlock`.

    Args:
        layer: A built `TransformerEncoder`.

    Returns:
        A built block with the same weights, options, name and dtype. Regularizers and initializers
        are not converted.

    Raises:
        ValueError: If the layer is of another class, such as a subclass, is not built, or has
            LoRA or quantized weights.

    The call differs: `padding_mask` is `mask` here. The outputs are equal where the mask is True;
    where it is False, they are zero here.
    """
    import keras_hub

    _check_layer(layer, keras_hub.layers.TransformerEncoder)
    return _convert(layer, TransformerEncoderBlock)


def decoder_block_from_keras_hub(
    layer: Layer,
) -> TransformerDecoderBlock | TransformerEncoderBlock:
    """Convert a `keras_hub.layers.TransformerDecoder`.

    Args:
        layer: A built `TransformerDecoder`.

    Returns:
        A built `TransformerDecoderBlock` with the same weights, options, name and dtype; for a
        layer that was built without an encoder's sequence, a `TransformerEncoderBlock`, to be
        called with `use_causal_mask=True`.

    Raises:
        ValueError: If the layer is of another class, such as a subclass, is not built, or has
            LoRA or quantized weights.

    The call differs: `encoder_sequence` is `memory` here, and the padding masks are `inputs_mask`
    and `memory_mask`. Here a cache is not one tensor, but a nest of tensors, which
    `get_initial_cache` returns; the target of a `TransformerDecoderBlock` always has a causal mask,
    and neither attention takes another mask than the padding masks.
    """
    import keras_hub

    _check_layer(layer, keras_hub.layers.TransformerDecoder)
    if layer._cross_attention_layer is None:
        return _convert(layer, TransformerEncoderBlock)
    return _convert(
        layer,
        TransformerDecoderBlock,
        cross_attention=layer._cross_attention_layer.get_weights(),
        around_cross_attention=layer._cross_attention_layer_norm.get_weights(),
    )


def _check_layer(layer: Any, expected: type) -> None:
    if type(layer) is not expected:
        raise ValueError(
            f"Expected `layer` to be a keras_hub.layers.{expected.__name__} itself, not a "
            f"subclass. Received: layer={layer!r}"
        )
    if not layer.built:
        raise ValueError(f"Expected `layer` to be built. Received: layer={layer!r}, not built")
    other_weights = [w.name for w in layer.weights if w.name not in WEIGHT_NAMES]
    if other_weights:
        raise ValueError(
            "Expected a `layer` of plain weights: merge LoRA weights first, and do not quantize "
            f"the layer. Received: a layer with the weights {other_weights}"
        )


def _convert(layer: Any, block_class: type, **cross_attention: Any) -> Any:
    """Return a block with the options and weights of `layer`, and those of `cross_attention`."""
    norm = layer._self_attention_layer_norm.get_weights()
    width = len(norm[0])
    block = block_class(
        num_heads=layer.num_heads,
        hidden_dim=layer.intermediate_dim,
        key_dim=width // layer.num_heads,
        dropout=layer.dropout,
        attention_dropout=layer.dropout,
        norm="pre" if layer.normalize_first else "post",
        activation=layer.activation,
        layer_norm_epsilon=layer.layer_norm_epsilon,
        dtype=layer.dtype_policy,
        name=layer.name,
        trainable=layer.trainable,
    )
    shapes = [(None, None, width)]
    if cross_attention:
        key_kernel = cross_attention["cross_attention"][2]
        shapes.append((None, None, len(key_kernel)))
    block.build(*shapes)
    hidden, output = layer._feedforward_intermediate_dense, layer._feedforward_output_dense
    assign_sublayer_weights(
        block,
        {
            "self_attention": layer._self_attention_layer.get_weights(),
            "around_self_attention": norm,
            "feed_forward": hidden.get_weights() + output.get_weights(),
            "around_feed_forward": layer._feedforward_layer_norm.get_weights(),
            **cross_attention,
        },
    )
    return block
