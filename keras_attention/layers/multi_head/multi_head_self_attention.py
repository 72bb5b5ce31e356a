"""Multi-head self-attention, in one call or step by step with a key/value cache."""

from typing import Any

import keras
from keras import ops, tree

from keras_attention import arguments
from keras_attention.kernels.attention import Implementation
from keras_attention.kernels.prepared_memory import PreparedMemory
from keras_attention.layers.call_arguments.attention_bias import check_attention_bias
from keras_attention.layers.call_arguments.inputs import split_masks
from keras_attention.layers.multi_head.key_value_cache import (
    KeyValueCache,
    check_cache,
    create_empty_cache,
    extend_cache,
    token_positions,
)
from keras_attention.layers.multi_head.multi_head_attention import MultiHeadAttention
from keras_attention.layers.positions.angles import check_base
from keras_attention.mask import combine, hide, padding
from keras_attention.mask.structured_mask import StructuredMask
from keras_attention.tensors import check_not_symbolic
from keras_attention.types import Config, Initializer, Regularizer, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class MultiHeadSelfAttention(MultiHeadAttention):
    """Multi-head self-attention with an optional window, rotary positions and key/value cache.

    score: scaled dot per head; mask: padding, causal, window; normalize: softmax; read: weighted
    sum, merge heads.

        output = MultiHeadAttention([x, x]) where key j is visible to query i only if
            |i - j| <= window                       with `window`
            j <= i                                  with `use_causal_mask`, and with a cache
        score_h[i, j] = (R_i q_h[i]) . (R_j k_h[j]) / sqrt(key_dim)      with `rotary_base`

    R_i rotates features 2m and 2m + 1 of queries and keys by the angle
    i / rotary_base^(2m / key_dim), so that a score depends on i - j.

    With a cache the layer is called with one part of the sequence at a time. Each token attends to
    itself and to all earlier tokens, so that the outputs equal those of one call with the whole
    sequence and a causal mask. The layer itself has no state:

        cache = layer.get_initial_cache(batch_size, max_length)
        output, cache = layer(x[:, :2], cache=cache)      # any number of tokens at a time
        output, cache = layer(x[:, 2:3], cache=cache)

    A cache skips masked tokens: they take no slot, and window and rotary positions count real
    tokens only. Prompts of different lengths can therefore be padded on either side, and every row
    gets the outputs that it would get alone, without padding. `cache.position` is the number of
    real tokens of each row; pass it to a `PositionalEncoding` as `start`. Without a cache,
    positions count masked tokens too, which makes a difference only for masked tokens between real
    ones.

    Weights: those of `MultiHeadAttention`.

    Args:
        num_heads: Number of heads.
        key_dim: Width of each head's queries and keys; None = D / num_heads, as in the paper.
        value_dim: Width of each head's values; None = `key_dim`.
        num_key_value_heads: Number of heads of keys and values, a divisor of `num_heads`; None =
            `num_heads`.
        dropout: Fraction of the weights to drop in training, in [0, 1).
        use_bias: Whether every projection adds a bias.
        window: Number of visible positions on either side, an integer of at least 1; None = all.
            With a causal mask, only those before are visible.
        rotary_base: Base of the wavelengths of rotary positions, usually 10000.0; None = no rotary
            positions.
        seed: Seed of the dropout, an int or None.
        kernel_initializer: Initializer of the four kernels.
        bias_initializer: Initializer of the biases.
        kernel_regularizer: Regularizer of the four kernels.
        implementation: "plain", "blockwise" or "auto", as in `MultiHeadAttention`. Blocks that a
            causal mask or the window masks completely are skipped.

    Call arguments:
        inputs: One tensor `(batch, T, D)`; or `[tail, x]`, where the queries `tail` are the last
            positions of `x`, such as `[x[:, -1:], x]` for the output of the last position only.
        mask, attention_mask, return_attention_scores, use_causal_mask, training: As in
            `keras_attention.Attention`.
        cache: A `KeyValueCache`, or the list into which saving converts one; None = no cache. With
            a cache, `mask` is that of the new tokens, and `attention_mask` is broadcastable to
            `(batch, T, max_length)`, or has an axis of heads; its columns are the cache's slots.
        attention_bias: As in `MultiHeadAttention`; with a cache, broadcastable to `(batch,
            num_heads, T, max_length)`.

    Returns:
        Output `(batch, T, D)`, zero for a query without a visible key (the output projection's
        bias is not added to it); then, with `return_attention_scores`, the weights `(batch,
        num_heads, T, T)`, or `(batch, num_heads, T, max_length)` with a cache; then, with a cache,
        the next cache. A token beyond `max_length` is not written and gives zeros. It does not
        raise an error, because the number of earlier tokens is known only at run time.

    Raises:
        ValueError: If an argument, a shape or a mask is not as described, or if `max_length` of the
            cache is less than the number of new tokens.

    Example:
    >>> x = np.random.default_rng(0).normal(size=(2, 3, 8)).astype("float32")
    >>> layer = keras_attention.MultiHeadSelfAttention(num_heads=4, key_dim=2)
    >>> expected = layer(x, use_causal_mask=True)
    >>> _, cache = layer(x[:, :2], cache=layer.get_initial_cache(2, max_length=5))
    >>> last, cache = layer(x[:, 2:], cache=cache)
    >>> bool(np.allclose(last, expected[:, 2:], atol=1e-6))
    True

    Differs from the papers and from Keras as `MultiHeadAttention` does; `window` counts the
    neighbors on one side, one less than Keras's `sliding_window`. Differs from the rotary positions
    of Llama, GPT-NeoX, keras-hub and local-attention, which pair the features m and
    m + key_dim / 2: docs/porting.md has the permutation of the columns for weights from there.

    Reference:
        Attention Is All You Need, Vaswani et al. (2017), section 3.2,
        https://arxiv.org/abs/1706.03762; rotary positions: RoFormer, Su et al. (2021), section
        3.2, https://arxiv.org/abs/2104.09864.
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int | None = None,
        value_dim: int | None = None,
        num_key_value_heads: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        window: int | None = None,
        rotary_base: float | None = None,
        seed: int | None = None,
        kernel_initializer: Initializer = "glorot_uniform",
        bias_initializer: Initializer = "zeros",
        kernel_regularizer: Regularizer = None,
        implementation: Implementation = "auto",
        **kwargs,
    ):
        super().__init__(
            num_heads,
            key_dim,
            value_dim=value_dim,
            num_key_value_heads=num_key_value_heads,
            dropout=dropout,
            use_bias=use_bias,
            seed=seed,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            implementation=implementation,
            **kwargs,
        )
        self.window = arguments.positive_integer("window", window, optional=True)
        self.rotary_base = None if rotary_base is None else check_base("rotary_base", rotary_base)
        self._check_even(self.key_dim)

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self._check_even(self._key_dim)

    def _check_even(self, key_dim):
        if self.rotary_base is not None and (key_dim or 0) % 2:
            raise ValueError(
                "Expected an even `key_dim` for rotary positions. "
                f"Received: key_dim={key_dim}, rotary_base={self.rotary_base}"
            )

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        attention_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
        training: bool | None = None,
        cache: Any = None,
        attention_bias: Tensor | None = None,
    ) -> Any:
        if cache is None:
            return super().call(
                inputs,
                mask,
                attention_mask,
                return_attention_scores,
                use_causal_mask,
                training,
                attention_bias,
            )
        cache = self._check_cache(cache, inputs)
        mask, visible, head_mask = self._prepare_cache_masks(inputs, mask, attention_mask, cache)
        memory, positions, cache = self._write_cache(inputs, mask, visible, cache)
        bias = self._prepare_bias(attention_bias, inputs, memory.keys[:, 0], head_mask)
        noise = self.perturbation.sample(inputs, memory) if training else None
        output, weights = self.attend(
            hide(inputs, mask), memory, noise, positions, return_attention_scores, bias
        )
        output = hide(output, mask)
        if return_attention_scores:
            return output, ops.cast(weights, self.compute_dtype), cache
        return output, cache

    def _prepare_cache_masks(self, inputs, mask, attention_mask, cache):
        """Check the masks of a call with a cache, which may be symbolic.

        Returns:
            The new tokens' mask, or None; the `StructuredMask` of all masks except the cache's; and
            the mask with an axis of heads, or None.
        """
        mask, _ = split_masks(mask, inputs)
        slots = ops.expand_dims(cache.mask, -1)  # only its shape is used
        return mask, *self._build_masks(inputs, slots, mask, None, attention_mask)

    def _write_cache(self, inputs, mask, visible, cache):
        """Write new tokens to the cache; return memory, token positions and the new cache."""
        slots = ops.arange(ops.shape(cache.mask)[1], dtype="int32")
        positions = token_positions(cache, ops.shape(inputs)[1], mask)
        new = self.prepare(inputs, mask=padding(key_mask=mask), positions=positions)
        cache = extend_cache(cache, new.keys, new.values, mask)
        position = positions[..., None]
        is_earlier = combine(slots <= position, position < ops.shape(slots)[0])
        pairs = combine(visible.dense(), is_earlier)
        if self.window is not None or visible.pairs is not None:
            visible = combine(padding(key_mask=cache.mask), pairs)
        else:
            # The last new token attends to every token in the cache: `attend` need not zero any.
            sizes = ops.shape(inputs)[1], ops.shape(slots)[0]
            visible = StructuredMask(*sizes, key_mask=cache.mask, pairs=pairs)
        return PreparedMemory(cache.keys, cache.values, visible), positions, cache

    def _check_cache(self, cache, inputs):
        widths = (self._key_dim, self._value_dim) if self.built else (None, None)
        return check_cache(cache, inputs, self._groups, *widths)

    def get_initial_cache(self, batch_size: int | Tensor, max_length: int) -> KeyValueCache:
        """Return an empty `KeyValueCache`.

        Args:
            batch_size: An int or a scalar tensor.
            max_length: Maximum number of tokens.

        Raises:
            ValueError: If `max_length` is not a positive integer, or the layer is not built yet.
        """
        check_not_symbolic("get_initial_cache", batch_size=batch_size)
        arguments.size("batch_size", batch_size)
        arguments.positive_integer("max_length", max_length)
        if not self.built:
            raise ValueError(
                f"Expected a layer that is built: call it first. Received: {self.name}, not built"
            )
        sizes = self._groups, max_length, self._key_dim, self._value_dim
        return create_empty_cache(batch_size, *sizes, dtype=self.compute_dtype)

    def compute_output_spec(
        self,
        inputs: Any,
        mask: Any = None,
        attention_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
        training: bool | None = None,
        cache: Any = None,
        attention_bias: Tensor | None = None,
    ) -> Any:
        if cache is None:
            return super().compute_output_spec(
                inputs,
                mask,
                attention_mask,
                return_attention_scores,
                use_causal_mask,
                training,
                attention_bias,
            )
        cache = self._check_cache(cache, inputs)
        self._prepare_cache_masks(inputs, mask, attention_mask, cache)
        returned = super().compute_output_spec(
            inputs, return_attention_scores=return_attention_scores
        )
        check_attention_bias(attention_bias, inputs, cache.keys[:, 0], self.num_heads)
        cache = tree.map_structure(lambda x: keras.KerasTensor(x.shape, x.dtype), cache)
        if not return_attention_scores:
            return returned, cache
        batch, tokens, _ = inputs.shape
        scores_shape = (batch, self.num_heads, tokens, cache.mask.shape[1])
        return returned[0], keras.KerasTensor(scores_shape, dtype=self.compute_dtype), cache

    def get_config(self) -> Config:
        return {**super().get_config(), "window": self.window, "rotary_base": self.rotary_base}
