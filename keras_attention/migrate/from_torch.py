"""Convert the attention and Transformer modules of PyTorch, on any backend of Keras."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_attention.layers.multi_head.multi_head_attention import MultiHeadAttention
from keras_attention.layers.multi_head.multi_head_self_attention import MultiHeadSelfAttention
from keras_attention.layers.transformer.transformer_decoder_block import TransformerDecoderBlock
from keras_attention.layers.transformer.transformer_encoder_block import TransformerEncoderBlock
from keras_attention.migrate.assign_weights import assign_sublayer_weights, assign_weights
from keras_attention.types import Layer


def multi_head_from_torch(
    module: Any, kind: type[MultiHeadAttention] = MultiHeadSelfAttention, dtype: Any = None
) -> MultiHeadAttention:
    """Convert a `torch.nn.MultiheadAttention`.

    Args:
        module: The module.
        kind: Class of the new layer, `MultiHeadSelfAttention` or `MultiHeadAttention`. Both have
            the same weights.
        dtype: Dtype or dtype policy of the new layer; None = Keras's.

    Returns:
        A built layer with the same weights.

    Raises:
        ValueError: If the module is of another class, such as a subclass, or was created with
            `add_bias_kv` or `add_zero_attn`.

    The call differs: the inputs are one list, the value before the key, with the batch first,
    whatever `batch_first` is. Masks are True where a key is visible, so `key_padding_mask` and
    a bool `attn_mask` have to be inverted; a float `attn_mask` is an `attention_bias`. The weights
    that are returned are those of each head, as with `average_attn_weights=False`. A query without
    a visible key gives zeros here.
    """
    import torch

    _check_type(module, torch.nn.MultiheadAttention)
    if kind not in (MultiHeadAttention, MultiHeadSelfAttention):
        raise ValueError(
            "Expected `kind` to be MultiHeadSelfAttention or MultiHeadAttention. "
            f"Received: kind={kind!r}"
        )
    layer = kind(
        module.num_heads,
        dropout=module.dropout,
        use_bias=module.in_proj_bias is not None,
        dtype=dtype,
    )
    widths = module.embed_dim, module.vdim, module.kdim
    layer.build([(None, None, width) for width in widths])
    assign_weights(layer, _attention_arrays(module))
    return layer


def encoder_block_from_torch(module: Any, dtype: Any = None) -> TransformerEncoderBlock:
    """Convert a `torch.nn.TransformerEncoderLayer`.

    Args:
        module: The module; its activation is ReLU or the exact GELU.
        dtype: Dtype or dtype policy of the new block; None = Keras's.

    Returns:
        A built block with the same weights. A module with `bias=False` has no biases in its network
        and its normalizations; the block has biases of zero there, which training changes.

    Raises:
        ValueError: If the module is of another class, such as a subclass, or has another
            activation, other normalizations than `LayerNorm`, or values of `eps` or of the dropout
            that differ between its sublayers.

    The outputs are equal where `mask` is True, that is, where `src_key_padding_mask` is False;
    elsewhere they are zero here. In training, PyTorch also drops elements of the network's hidden
    layer, which this block does not.
    """
    import torch

    _check_type(module, torch.nn.TransformerEncoderLayer)
    block = TransformerEncoderBlock(
        **_get_options(module, [module.norm1, module.norm2], [module.dropout1, module.dropout2]),
        dtype=dtype,
    )
    block.build((None, None, module.self_attn.embed_dim))
    assign_sublayer_weights(
        block,
        {
            "self_attention": _attention_arrays(module.self_attn),
            "around_self_attention": _norm_arrays(module.norm1),
            "feed_forward": _linear_arrays(module.linear1) + _linear_arrays(module.linear2),
            "around_feed_forward": _norm_arrays(module.norm2),
        },
    )
    return block


def decoder_block_from_torch(module: Any, dtype: Any = None) -> TransformerDecoderBlock:
    """Convert a `torch.nn.TransformerDecoderLayer`.

    Args:
        module: The module; its activation is ReLU or the exact GELU.
        dtype: Dtype or dtype policy of the new block; None = Keras's.

    Returns:
        A built block with the same weights, see `encoder_block_from_torch`. Its target always has a
        causal mask, PyTorch's `tgt_mask=nn.Transformer.generate_square_subsequent_mask(T)`; other
        masks than that and the padding masks have no counterpart.

    Raises:
        ValueError: As in `encoder_block_from_torch`.
    """
    import torch

    _check_type(module, torch.nn.TransformerDecoderLayer)
    norms = [module.norm1, module.norm2, module.norm3]
    dropouts = [module.dropout1, module.dropout2, module.dropout3]
    block = TransformerDecoderBlock(**_get_options(module, norms, dropouts), dtype=dtype)
    width = module.self_attn.embed_dim
    block.build((None, None, width), (None, None, module.multihead_attn.kdim))
    assign_sublayer_weights(
        block,
        {
            "self_attention": _attention_arrays(module.self_attn),
            "around_self_attention": _norm_arrays(module.norm1),
            "cross_attention": _attention_arrays(module.multihead_attn),
            "around_cross_attention": _norm_arrays(module.norm2),
            "feed_forward": _linear_arrays(module.linear1) + _linear_arrays(module.linear2),
            "around_feed_forward": _norm_arrays(module.norm3),
        },
    )
    return block


def encoder_from_torch(
    module: Any, dtype: Any = None
) -> tuple[list[TransformerEncoderBlock], Layer | None]:
    """Convert a `torch.nn.TransformerEncoder`.

    Args:
        module: The module; its layers are as `encoder_block_from_torch` expects them.
        dtype: Dtype or dtype policy of the new layers; None = Keras's.

    Returns:
        A list of built blocks, to be called one after the other with the same mask, and the
        `keras.layers.LayerNormalization` after them, or None if the module has none.

    Raises:
        ValueError: As in `encoder_block_from_torch`.
    """
    import torch

    return _convert_stack(module, torch.nn.TransformerEncoder, encoder_block_from_torch, dtype)


def decoder_from_torch(
    module: Any, dtype: Any = None
) -> tuple[list[TransformerDecoderBlock], Layer | None]:
    """Convert a `torch.nn.TransformerDecoder`, as `encoder_from_torch` converts an encoder.

    Args:
        module: The module; its layers are as `decoder_block_from_torch` expects them.
        dtype: Dtype or dtype policy of the new layers; None = Keras's.

    Returns:
        A list of built blocks, and the normalization after them, or None.

    Raises:
        ValueError: As in `encoder_block_from_torch`.
    """
    import torch

    return _convert_stack(module, torch.nn.TransformerDecoder, decoder_block_from_torch, dtype)


def transformer_from_torch(
    module: Any, dtype: Any = None
) -> tuple[
    tuple[list[TransformerEncoderBlock], Layer | None],
    tuple[list[TransformerDecoderBlock], Layer | None],
]:
    """Convert a `torch.nn.Transformer`.

    Args:
        module: The module; its encoder and decoder are PyTorch's.
        dtype: Dtype or dtype policy of the new layers; None = Keras's.

    Returns:
        What `encoder_from_torch` returns for its encoder, and what `decoder_from_torch` returns for
        its decoder.

    Raises:
        ValueError: As in `encoder_block_from_torch`.
    """
    import torch

    _check_type(module, torch.nn.Transformer)
    return encoder_from_torch(module.encoder, dtype), decoder_from_torch(module.decoder, dtype)


def _convert_stack(
    module: Any, expected: type, convert_block: Callable[[Any, Any], Any], dtype: Any
) -> tuple[list[Any], Layer | None]:
    _check_type(module, expected)
    blocks = [convert_block(layer, dtype) for layer in module.layers]
    return blocks, _convert_norm(module.norm, dtype)


def _check_type(module: Any, expected: type) -> None:
    if type(module) is not expected:
        raise ValueError(
            f"Expected a torch.nn.{expected.__name__} itself, not a subclass. "
            f"Received: {type(module).__name__}"
        )


def _get_options(module: Any, norms: list[Any], dropouts: list[Any]) -> dict[str, Any]:
    """Return the constructor arguments of a block, after a check that they exist here."""
    import torch

    for norm in norms:
        _check_type(norm, torch.nn.LayerNorm)
    attentions = [module.self_attn, getattr(module, "multihead_attn", module.self_attn)]
    return {
        "num_heads": _get_common_value("num_heads", [x.num_heads for x in attentions]),
        "hidden_dim": module.linear1.out_features,
        "dropout": _get_common_value("dropout", [x.p for x in dropouts]),
        "attention_dropout": _get_common_value("dropout", [x.dropout for x in attentions]),
        "norm": "pre" if module.norm_first else "post",
        "activation": _convert_activation(module.activation),
        "use_bias": _get_common_value("bias", [x.in_proj_bias is not None for x in attentions]),
        "layer_norm_epsilon": _get_common_value("layer_norm_eps", [x.eps for x in norms]),
    }


def _get_common_value(name: str, values: list[Any]) -> Any:
    if len(set(values)) > 1:
        raise ValueError(f"Expected one `{name}` for all sublayers. Received: {name}={values}")
    return values[0]


def _convert_activation(activation: Any) -> str:
    from torch import nn

    is_exact_gelu = isinstance(activation, nn.GELU) and activation.approximate == "none"
    if activation is nn.functional.relu or isinstance(activation, nn.ReLU):
        return "relu"
    if activation is nn.functional.gelu or is_exact_gelu:
        return "gelu"
    raise ValueError(
        f"Expected the activation ReLU or the exact GELU. Received: activation={activation!r}"
    )


def _to_array(tensor: Any) -> np.ndarray:
    return tensor.detach().double().cpu().numpy()


def _linear_arrays(linear: Any) -> list[np.ndarray]:
    """Return kernel and bias; the bias is zero if there is none."""
    kernel = _to_array(linear.weight).T
    return [kernel, np.zeros(kernel.shape[1]) if linear.bias is None else _to_array(linear.bias)]


def _norm_arrays(norm: Any) -> list[np.ndarray]:
    """Return gamma and beta; they are one and zero if there are none."""
    gamma = np.ones(norm.normalized_shape) if norm.weight is None else _to_array(norm.weight)
    return [gamma, np.zeros_like(gamma) if norm.bias is None else _to_array(norm.bias)]


def _convert_norm(norm: Any, dtype: Any) -> Layer | None:
    import torch

    if norm is None:
        return None
    _check_type(norm, torch.nn.LayerNorm)
    arrays = _norm_arrays(norm)
    layer = keras.layers.LayerNormalization(epsilon=norm.eps, dtype=dtype)
    layer.build((None, None, len(arrays[0])))
    assign_weights(layer, arrays)
    return layer


def _attention_arrays(module: Any) -> list[np.ndarray]:
    """Return the arrays of a multi-head layer, in the order of its weights."""
    import torch

    _check_type(module, torch.nn.MultiheadAttention)
    for name, is_used in {
        "add_bias_kv": module.bias_k is not None,
        "add_zero_attn": module.add_zero_attn,
    }.items():
        if is_used:
            raise ValueError(
                f"Expected `{name}` to be False, because this package has no counterpart. "
                f"Received: {name}=True"
            )
    if module.in_proj_weight is None:
        inputs = module.q_proj_weight, module.k_proj_weight, module.v_proj_weight
    else:
        inputs = module.in_proj_weight.chunk(3)
    kernels = [_to_array(weight).T for weight in (*inputs, module.out_proj.weight)]
    if module.in_proj_bias is None:
        return kernels
    biases = [_to_array(x) for x in (*module.in_proj_bias.chunk(3), module.out_proj.bias)]
    return [array for pair in zip(kernels, biases, strict=True) for array in pair]
