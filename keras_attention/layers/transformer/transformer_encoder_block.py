"""The encoder block of the Transformer (Vaswani et al. 2017)."""

from typing import Any

import keras
from keras import ops

from keras_attention.layers.call_arguments.inputs import split_masks
from keras_attention.layers.multi_head.key_value_cache import KeyValueCache
from keras_attention.layers.transformer.block_base import TransformerBlock
from keras_attention.mask import hide
from keras_attention.precision import saturate_cast
from keras_attention.tensors import check_tensors
from keras_attention.types import Nest, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class TransformerEncoderBlock(TransformerBlock):
    """Self-attention and a position-wise feed-forward network, each with a residual connection.

    score: scaled dot per head; mask: padding, causal, window; normalize: softmax; read: weighted
    sum, merge heads, then a position-wise network.

        norm="post":  h = LayerNorm(x + Dropout(MultiHeadSelfAttention(x)))
                      y = LayerNorm(h + Dropout(FFN(h)))
        norm="pre":   h = x + Dropout(MultiHeadSelfAttention(LayerNorm(x)))
                      y = h + Dropout(FFN(LayerNorm(h)))
        FFN(h) = activation(h W1 + b1) W2 + b2                                         (equation 2)

    Post-norm is the paper's; in deep stacks it diverges without a warm-up of the learning rate.
    Pre-norm trains without a warm-up, and needs one more LayerNormalization after the last block,
    which is not part of the block. With `use_causal_mask` the block is a decoder-only block (GPT).

    With `dtype="float16"` (not "mixed_float16") use an epsilon of about 1e-3 in Adam, because its
    default of 1e-7 and the squares of small gradients underflow in half precision.

    Weights: those of `self_attention` (a `MultiHeadSelfAttention`), of its normalization (gamma,
    beta), of the network (kernel (D, hidden_dim), bias, kernel (hidden_dim, D), bias) and of its
    normalization.

    Args:
        num_heads: Number of heads.
        hidden_dim: Width of the network's hidden layer, 4 D in the paper.
        key_dim: Width of each head; None = D / num_heads.
        num_key_value_heads: Number of key/value heads, shared by groups of heads; None = num_heads.
        dropout: Fraction of each sublayer's output to drop in training, in [0, 1).
        attention_dropout: Fraction of the attention weights to drop in training.
        norm: "post" or "pre": normalization after or before each sublayer.
        activation: Activation of the hidden layer, as in `keras.layers.Dense`.
        window: As in `MultiHeadSelfAttention`.
        rotary_base: As in `MultiHeadSelfAttention`.
        use_bias: Whether the attention's projections add biases; the paper's do not.
        seed: Seed of the dropouts, an int or None.
        implementation: "plain", "blockwise" or "auto", as in `MultiHeadAttention`.
        layer_norm_epsilon: Added to the variance under the normalizations' square root. If the
            residual stream is small, it changes the outputs: pretrained weights need the epsilon
            that they were trained with, 1e-5 in PyTorch and KerasHub, 1e-12 in BERT.
        kernel_initializer: Initializer of all kernels, of the attention and of the network.
        bias_initializer: Initializer of all their biases.

    Call arguments:
        inputs: `(batch, T, D)`.
        mask: Bool `(batch, T)`, True = a real position; None = the inputs' Keras mask.
        attention_mask, return_attention_scores, use_causal_mask, training, cache: As in
            `MultiHeadSelfAttention`; `get_initial_cache` returns an empty cache.

    Returns:
        `(batch, T, D)`, zero where `mask` is False; then the attention's weights `(batch,
        num_heads, T, T)` with `return_attention_scores`; then the next cache if one was passed. The
        inputs' Keras mask is propagated.

    Raises:
        ValueError: If an argument, a shape or a mask is invalid.

    Example:
    >>> block = keras_attention.TransformerEncoderBlock(num_heads=4, hidden_dim=32)
    >>> block(np.ones((2, 3, 8), "float32")).shape
    TensorShape([2, 3, 8])

    Differs from the paper: attention has biases unless `use_bias` is False, as in Keras.
    `Model.quantize` quantizes the network alone: see `MultiHeadAttention`.

    Reference:
        Attention Is All You Need, Vaswani et al. (2017), sections 3.1, 3.3 and 5.4,
        https://arxiv.org/abs/1706.03762; pre-norm: On Layer Normalization in the Transformer
        Architecture, Xiong et al. (2020), https://arxiv.org/abs/2002.04745.
    """

    def build(self, input_shape: Shape) -> None:
        self.build_all(input_shape)

    def call(
        self,
        inputs: Tensor,
        mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
        training: bool | None = None,
        cache: Nest | None = None,
    ) -> Tensor | tuple[Any, ...]:
        check_tensors("inputs", inputs)
        mask, _ = split_masks(mask, inputs)
        x = hide(ops.cast(inputs, self.compute_dtype), mask)
        attended = self.self_attention(
            self.around_self_attention.pre(x),
            mask=mask,
            attention_mask=attention_mask,
            return_attention_scores=return_attention_scores,
            use_causal_mask=use_causal_mask,
            training=training,
            cache=cache,
        )
        attended, *weights_and_cache = attended if isinstance(attended, tuple) else (attended,)
        x = self.around_self_attention.post(x, attended, training)
        transformed = self.feed_forward(self.around_feed_forward.pre(x))
        x = self.around_feed_forward.post(x, transformed, training)
        output = hide(saturate_cast(x, self.compute_dtype), mask)
        return (output, *weights_and_cache) if weights_and_cache else output

    def get_initial_cache(self, batch_size: int | Tensor, max_length: int) -> KeyValueCache:
        """Return an empty cache, as `MultiHeadSelfAttention.get_initial_cache` does."""
        return self.self_attention.get_initial_cache(batch_size, max_length)

    def compute_mask(self, inputs: Nest, mask: Nest | None = None) -> Tensor | None:
        return split_masks(mask, inputs)[0]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def compute_output_spec(
        self,
        inputs: Tensor,
        mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
        training: bool | None = None,
        cache: Nest | None = None,
    ) -> Any:
        return self.self_attention.compute_output_spec(
            inputs,
            mask=mask,
            attention_mask=attention_mask,
            return_attention_scores=return_attention_scores,
            cache=cache,
        )
