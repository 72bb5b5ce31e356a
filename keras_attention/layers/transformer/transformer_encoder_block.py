"""One layer of a Transformer's encoder (Vaswani et al. 2017)."""

import keras
from keras import ops

from keras_attention.layers.call_arguments.inputs import split_masks
from keras_attention.layers.transformer.block_base import TransformerBlock
from keras_attention.mask import hide


@keras.saving.register_keras_serializable(package="keras_attention")
class TransformerEncoderBlock(TransformerBlock):
    """Self-attention, then a network of each position, each added to what it was given.

    score: scaled dot per head; mask: padding, causal, window; normalize: softmax; read: weighted
    sum, merge heads, then a network of each position.

        norm="post":  h = LayerNorm(x + Dropout(MultiHeadSelfAttention(x)))
                      y = LayerNorm(h + Dropout(FFN(h)))
        norm="pre":   h = x + Dropout(MultiHeadSelfAttention(LayerNorm(x)))
                      y = h + Dropout(FFN(LayerNorm(h)))
        FFN(h) = activation(h W1 + b1) W2 + b2                                         (equation 2)

    Post-norm is the paper's, and diverges in deep stacks without a warm-up of the learning rate;
    pre-norm trains without one, and wants one more LayerNormalization behind the last block, which
    is yours to add. With `use_causal_mask` it is a block of a decoder without an encoder (GPT).

    With `dtype="float16"` (not "mixed_float16") give Adam an epsilon of 1e-3 or so: next to its
    default of 1e-7 the squares of small gradients vanish in half precision.

    Weights: those of `self_attention` (a `MultiHeadSelfAttention`), of its normalization (gamma,
    beta), of the network (kernel (D, hidden_dim), bias, kernel (hidden_dim, D), bias) and of its
    normalization.

    Args:
        num_heads: Number of heads.
        hidden_dim: Width of the network's hidden layer, 4 D in the paper.
        key_dim: Width of each head; None = D / num_heads.
        num_key_value_heads: How many heads have keys and values of their own; None = all.
        dropout: Fraction of each sublayer's output to drop in training, in [0, 1).
        attention_dropout: Fraction of the attention weights to drop in training.
        norm: "post" or "pre": where the normalization stands.
        activation: Activation of the hidden layer, as in `keras.layers.Dense`.
        window: As in `MultiHeadSelfAttention`.
        rotary_base: As in `MultiHeadSelfAttention`.
        use_bias: Whether the attention's projections add biases; the paper's do not.
        seed: Seed of the dropouts, an int or None.

    Call arguments:
        inputs: `(batch, T, D)`.
        mask: Bool `(batch, T)`, True = a real position; the inputs' Keras mask where not given.
        attention_mask, return_attention_scores, use_causal_mask, training, cache: As in
            `MultiHeadSelfAttention`; `get_initial_cache` makes the first cache.

    Returns:
        `(batch, T, D)`, zero where `mask` is False; then the attention's weights `(batch,
        num_heads, T, T)` if asked for; then the next cache if one was given. The inputs' Keras
        mask goes on.

    Raises:
        ValueError: If an argument, a shape or a mask is not one of these.

    Example:
    >>> block = keras_attention.TransformerEncoderBlock(num_heads=4, hidden_dim=32)
    >>> block(np.ones((2, 3, 8), "float32")).shape
    TensorShape([2, 3, 8])

    Differs from the paper: attention has biases unless `use_bias` is False, as in Keras.

    Reference:
        Attention Is All You Need, Vaswani et al. (2017), sections 3.1, 3.3 and 5.4,
        https://arxiv.org/abs/1706.03762; pre-norm: On Layer Normalization in the Transformer
        Architecture, Xiong et al. (2020), https://arxiv.org/abs/2002.04745.
    """

    def build(self, input_shape):
        self.build_all(input_shape)

    def call(
        self,
        inputs,
        mask=None,
        attention_mask=None,
        return_attention_scores=False,
        use_causal_mask=False,
        training=None,
        cache=None,
    ):
        mask, _ = split_masks(mask, inputs)
        x = hide(ops.cast(inputs, self.compute_dtype), mask)
        attended = self.self_attention(
            self.around_self_attention.before(x),
            mask=mask,
            attention_mask=attention_mask,
            return_attention_scores=return_attention_scores,
            use_causal_mask=use_causal_mask,
            training=training,
            cache=cache,
        )
        attended, *others = attended if isinstance(attended, tuple) else (attended,)
        x = self.around_self_attention.after(x, attended, training)
        fed = self.feed_forward(self.around_feed_forward.before(x))
        x = self.around_feed_forward.after(x, fed, training)
        output = hide(ops.cast(x, self.compute_dtype), mask)
        return (output, *others) if others else output  # weights, cache

    def get_initial_cache(self, batch_size, max_length):
        """As in `MultiHeadSelfAttention`."""
        return self.self_attention.get_initial_cache(batch_size, max_length)

    def compute_mask(self, inputs, mask=None):
        return split_masks(mask, inputs)[0]

    def compute_output_shape(self, input_shape):
        return input_shape

    def compute_output_spec(
        self,
        inputs,
        mask=None,
        attention_mask=None,
        return_attention_scores=False,
        use_causal_mask=False,
        training=None,
        cache=None,
    ):
        return self.self_attention.compute_output_spec(
            inputs, return_attention_scores=return_attention_scores, cache=cache
        )
