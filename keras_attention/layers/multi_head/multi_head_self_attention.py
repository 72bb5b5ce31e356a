"""A sequence that attends to itself with several heads, at once or step by step."""

import dataclasses

import keras
from keras import ops, tree

from keras_attention import arguments
from keras_attention.layers.call_arguments.attention_bias import check_attention_bias
from keras_attention.layers.call_arguments.inputs import split_masks
from keras_attention.layers.call_arguments.masks import check_mask, pair_mask
from keras_attention.layers.multi_head.key_value_cache import checked_cache, empty_cache, extend
from keras_attention.layers.multi_head.multi_head_attention import MultiHeadAttention
from keras_attention.layers.positions.angles import check_base
from keras_attention.layers.positions.rotary import rotate
from keras_attention.layers.query_value.base import PreparedMemory
from keras_attention.mask import combine, hide, padding
from keras_attention.mask.structured_mask import StructuredMask
from keras_attention.precision import score_dtype


@keras.saving.register_keras_serializable(package="keras_attention")
class MultiHeadSelfAttention(MultiHeadAttention):
    """Multi-head attention of a sequence to itself, with what depends on order.

    score: scaled dot per head; mask: padding, causal, window; normalize: softmax; read: weighted
    sum, merge heads.

        output = MultiHeadAttention([x, x]) where position i sees position j only if
            |i - j| <= window                       with `window`
            j <= i                                  with `use_causal_mask`, and with a cache
        score_h[i, j] = (R_i q_h[i]) . (R_j k_h[j]) / sqrt(key_dim)      with `rotary_base`

    R_i turns features 2m and 2m + 1 of queries and keys by i / rotary_base^(2m / key_dim), so
    that a score depends on i - j.

    With a cache the layer takes the sequence piece by piece: each piece sees those before it, and
    what comes out is what the causal layer makes of the whole. Nothing is kept in the layer:

        cache = layer.get_initial_cache(batch_size, max_length)
        output, cache = layer(x[:, :2], cache=cache)      # any number of tokens at a time
        output, cache = layer(x[:, 2:3], cache=cache)

    Weights: those of `MultiHeadAttention`.

    Args:
        num_heads: Number of heads.
        key_dim: Width of each head's queries and keys; None = D / num_heads, as in the paper.
        value_dim: Width of each head's values; None = `key_dim`.
        num_key_value_heads: How many heads have keys and values of their own, a divisor of
            `num_heads`; None = all of them.
        dropout: Fraction of the weights to drop in training, in [0, 1).
        use_bias: Whether every projection adds a bias.
        window: How many positions on either side may be seen, an integer of at least 1; None =
            all. With a causal mask it looks back only.
        rotary_base: Base of the rotary positions' wavelengths, usually 10000.0; None = no rotary
            positions.
        seed: Seed of the dropout, an int or None.
        kernel_initializer: Initializer of the four kernels.
        bias_initializer: Initializer of the biases.
        kernel_regularizer: Regularizer of the four kernels.
        implementation: "plain", "blockwise" or "auto", as in `MultiHeadAttention`. Blocks skip
            what a causal mask or the window hides.

    Call arguments:
        inputs: One tensor `(batch, T, D)`; or `[tail, x]` where the queries stand at the last
            positions of `x`, such as `[x[:, -1:], x]` for the last position's output alone.
        mask, attention_mask, return_attention_scores, use_causal_mask, training: As in
            `keras_attention.Attention`.
        cache: A `KeyValueCache`, or the list that saving makes of one; None = all at once. With
            one, `mask` is of the new tokens and is remembered, and `attention_mask` is
            broadcastable to `(batch, T, max_length)`.
        attention_bias: As in `MultiHeadAttention`; with a cache of the new tokens and all its
            places, broadcastable to `(batch, num_heads, T, max_length)`.

    Returns:
        Output `(batch, T, D)`, zero where a query may see nothing (no bias is added there); then
        the weights `(batch, num_heads, T, T)`, or `(batch, num_heads, T, max_length)` with a
        cache, if asked for; then the next cache if one was given. A token beyond `max_length` is
        not written and gives zeros: how many came before is not known when a graph is made.

    Raises:
        ValueError: If an argument, a shape or a mask is not one of these, or if a cache has fewer
            places than there are new tokens.

    Example:
    >>> x = np.random.default_rng(0).normal(size=(2, 3, 8)).astype("float32")
    >>> layer = keras_attention.MultiHeadSelfAttention(num_heads=4, key_dim=2)
    >>> whole = layer(x, use_causal_mask=True)
    >>> _, cache = layer(x[:, :2], cache=layer.get_initial_cache(2, max_length=5))
    >>> last, cache = layer(x[:, 2:], cache=cache)
    >>> bool(np.allclose(last, whole[:, 2:], atol=1e-6))
    True

    Differs from the papers as `MultiHeadAttention` does. Differs from Keras: `window` counts the
    neighbours on a side, one less than its `sliding_window`.

    Reference:
        Attention Is All You Need, Vaswani et al. (2017), section 3.2,
        https://arxiv.org/abs/1706.03762; rotary positions: RoFormer, Su et al. (2021), section
        3.2, https://arxiv.org/abs/2104.09864.
    """

    def __init__(
        self,
        num_heads,
        key_dim=None,
        value_dim=None,
        num_key_value_heads=None,
        dropout=0.0,
        use_bias=True,
        window=None,
        rotary_base=None,
        seed=None,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        implementation="auto",
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

    def build(self, input_shape):
        super().build(input_shape)
        if self.rotary_base is not None and self._key_dim % 2:
            raise ValueError(
                "Expected an even `key_dim` for rotary positions. "
                f"Received: key_dim={self._key_dim}, rotary_base={self.rotary_base}"
            )

    def call(
        self,
        inputs,
        mask=None,
        attention_mask=None,
        return_attention_scores=False,
        use_causal_mask=False,
        training=None,
        cache=None,
        attention_bias=None,
    ):
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
        if isinstance(inputs, (list, tuple)):
            raise ValueError(
                f"Expected `inputs` to be one tensor with a cache. Received: {len(inputs)} inputs"
            )
        if len(inputs.shape) != 3:
            raise ValueError(
                "Expected `inputs` (batch, T, width) with a cache. "
                f"Received: inputs {tuple(inputs.shape)}"
            )
        mask, _ = split_masks(mask, inputs)
        check_mask("mask", mask, inputs.shape[:-1])
        memory, positions, cache = self._remember(inputs, mask, attention_mask, cache)
        bias = self._bias(attention_bias, inputs, memory.keys[:, 0])
        noise = self.sample_noise(inputs, memory) if training else None
        output, weights = self.attend(
            hide(inputs, mask), memory, noise, positions, return_attention_scores, bias
        )
        output = hide(output, mask)
        if return_attention_scores:
            return output, ops.cast(weights, self.compute_dtype), cache
        return output, cache

    def build_mask(self, *args):
        return dataclasses.replace(super().build_mask(*args), window=self.window)

    def _remember(self, inputs, mask, attention_mask, cache):
        """Writes new tokens into the cache: what they see, where they stand, and the cache."""
        cache = self._checked(cache, inputs)
        batch, tokens = ops.shape(inputs)[:2]
        places = ops.arange(ops.shape(cache.mask)[1], dtype="int32")
        positions = cache.position[:, None] + ops.arange(tokens, dtype="int32")
        new = self.prepare(inputs, mask=padding(key_mask=mask), positions=positions)
        is_real = ops.broadcast_to(True if mask is None else mask, (batch, tokens))
        cache = extend(cache, new.keys, new.values, is_real)
        known = ops.expand_dims(cache.mask, -1)
        visible = combine(
            pair_mask(inputs, known, mask, cache.mask, attention_mask),
            places <= positions[..., None],
            positions[..., None] < ops.shape(places)[0],
        )
        return PreparedMemory(cache.keys, cache.values, visible), positions, cache

    def _checked(self, cache, inputs):
        widths = (self._key_dim, self._value_dim) if self.built else (None, None)
        return checked_cache(cache, inputs.shape[0], self._groups, *widths)

    def get_initial_cache(self, batch_size, max_length):
        """A `KeyValueCache` before the first token.

        Args:
            batch_size: An int or a scalar tensor.
            max_length: The most tokens that it will hold.

        Raises:
            ValueError: If `max_length` is not a positive integer, or the layer not yet built.
        """
        arguments.positive_integer("max_length", max_length)
        if not self.built:
            raise ValueError("Expected a layer that is built. Received: one that is not")
        sizes = self._groups, max_length, self._key_dim, self._value_dim
        return empty_cache(batch_size, *sizes, dtype=score_dtype(self.compute_dtype))

    def prepare(self, value, key=None, mask=None, positions=None):
        """As in the base; positions: the keys' places, int `(batch, Tk)`, None counts from 0."""
        memory = super().prepare(value, key, mask)
        if positions is None:
            positions = ops.arange(ops.shape(memory.keys)[-2], dtype="int32")[None]
        return memory._replace(keys=self.apply_rotary(memory.keys, positions))

    def attend(self, query, memory, noise=None, positions=None, return_weights=True, bias=None):
        keys = ops.shape(memory.keys)[-2]
        is_single = len(query.shape) < len(memory.keys.shape) - 1
        if positions is None:  # the last query stands at the last key
            queries = 1 if is_single else ops.shape(query)[-2]
            positions = (ops.arange(queries, dtype="int32") + (keys - queries))[None]
        elif is_single:
            positions = positions[:, None]
        positions = ops.cast(positions, "int32")
        if self.window is not None and not isinstance(memory.mask, StructuredMask):
            near = ops.abs(ops.arange(keys, dtype="int32") - positions[..., None]) <= self.window
            memory = memory._replace(mask=combine(memory.mask, near))
        return super().attend(query, memory, noise, positions, return_weights, bias)

    def apply_rotary(self, heads, positions):
        return heads if self.rotary_base is None else rotate(heads, positions, self.rotary_base)

    def compute_output_spec(
        self,
        inputs,
        mask=None,
        attention_mask=None,
        return_attention_scores=False,
        use_causal_mask=False,
        training=None,
        cache=None,
        attention_bias=None,
    ):
        returned = super().compute_output_spec(
            inputs,
            return_attention_scores=return_attention_scores,
            attention_bias=attention_bias if cache is None else None,
        )
        if cache is None:
            return returned
        cache = self._checked(cache, inputs)
        check_attention_bias(attention_bias, inputs, cache.keys[:, 0], self.num_heads)
        cache = tree.map_structure(lambda x: keras.KerasTensor(x.shape, x.dtype), cache)
        if not return_attention_scores:
            return returned, cache
        batch, tokens, _ = inputs.shape
        scores_shape = (batch, self.num_heads, tokens, cache.mask.shape[1])
        return returned[0], keras.KerasTensor(scores_shape, dtype=self.compute_dtype), cache

    def get_config(self):
        return {**super().get_config(), "window": self.window, "rotary_base": self.rotary_base}
