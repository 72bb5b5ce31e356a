"""One layer of a Transformer's decoder (Vaswani et al. 2017)."""

import collections

import keras
from keras import ops, tree

from keras_attention.layers.call_arguments.inputs import split_masks
from keras_attention.layers.call_arguments.masks import check_mask
from keras_attention.layers.multi_head.multi_head_attention import MultiHeadAttention
from keras_attention.layers.query_value.base import PreparedMemory
from keras_attention.layers.transformer.block_base import TransformerBlock
from keras_attention.mask import combine, hide, padding

DecoderBlockCache = collections.namedtuple("DecoderBlockCache", ["written", "memory"])
DecoderBlockCache.__doc__ = """What a `TransformerDecoderBlock` remembers from step to step.

    written: a `KeyValueCache` of the target so far; memory: the source's projected keys and values
    and its mask, which no step changes. Every tensor has the batch in front.
"""


@keras.saving.register_keras_serializable(package="keras_attention")
class TransformerDecoderBlock(TransformerBlock):
    """Self-attention to what came before, attention to a memory, a network of each position.

    score: scaled dot per head; mask: padding, causal, window; normalize: softmax; read: weighted
    sum, merge heads, of the target and then of the memory, then a network of each position.

        norm="post":  h = LayerNorm(x + Dropout(MultiHeadSelfAttention(x, causal)))
                      r = LayerNorm(h + Dropout(MultiHeadAttention([h, memory])))
                      y = LayerNorm(r + Dropout(FFN(r)))
        norm="pre":   h = x + Dropout(MultiHeadSelfAttention(LayerNorm(x), causal))
                      r = h + Dropout(MultiHeadAttention([LayerNorm(h), memory]))
                      y = r + Dropout(FFN(LayerNorm(r)))

    With a cache the target comes piece by piece, and what comes out is what the whole gives. The
    memory is projected once, when the cache is made:

        cache = block.get_initial_cache(memory, max_length, memory_mask)
        output, cache = block(x[:, :1], cache=cache)

    Weights: those of `self_attention` and its normalization, of the network and its normalization
    (as in `TransformerEncoderBlock`), of `cross_attention` (a `MultiHeadAttention`) and its
    normalization.

    Args:
        num_heads: Number of heads of both attentions.
        hidden_dim: Width of the network's hidden layer, 4 D in the paper.
        key_dim: Width of each head; None = D / num_heads.
        num_key_value_heads: How many heads have keys and values of their own; None = all.
        dropout: Fraction of each sublayer's output to drop in training, in [0, 1).
        attention_dropout: Fraction of the attention weights to drop in training.
        norm: "post" or "pre", as in `TransformerEncoderBlock`.
        activation: Activation of the hidden layer, as in `keras.layers.Dense`.
        window: As in `MultiHeadSelfAttention`; the memory is seen as a whole.
        rotary_base: As in `MultiHeadSelfAttention`; the memory's keys are not rotated.
        use_bias: Whether the attentions' projections add biases; the paper's do not.
        seed: Seed of the dropouts, an int or None.

    Call arguments:
        inputs: Target `(batch, Ttarget, D)`, shifted right by the caller.
        memory: `(batch, Tsource, Dm)`, an encoder's output; None with a cache, which holds it.
        inputs_mask: Bool `(batch, Ttarget)`, taken from `inputs`' Keras mask where not given.
        memory_mask: Bool `(batch, Tsource)`, taken from `memory`'s Keras mask where not given.
        return_attention_scores: Whether to return the weights of both attentions too.
        training: Whether to apply dropout.
        cache: A `DecoderBlockCache`, or the lists that saving makes of one; None = all at once.

    Returns:
        `(batch, Ttarget, D)`, zero where `inputs_mask` is False; then, if asked for, the weights
        `(batch, num_heads, Ttarget, Ttarget)` (`max_length` in the last place with a cache) and
        `(batch, num_heads, Ttarget, Tsource)`; then the next cache if one was given. The inputs'
        Keras mask goes on.

    Raises:
        ValueError: If an argument, a shape or a mask is not one of these.

    Example:
    >>> block = keras_attention.TransformerDecoderBlock(num_heads=4, hidden_dim=32)
    >>> target, source = np.ones((2, 3, 8), "float32"), np.ones((2, 5, 8), "float32")
    >>> whole = block(target, source)
    >>> last, cache = block(target, cache=block.get_initial_cache(source, max_length=7))
    >>> bool(np.allclose(last, whole, atol=1e-5))
    True

    Differs from the paper: attention has biases unless `use_bias` is False, as in Keras.

    Reference:
        Attention Is All You Need, Vaswani et al. (2017), sections 3.1 to 3.3,
        https://arxiv.org/abs/1706.03762; pre-norm: On Layer Normalization in the Transformer
        Architecture, Xiong et al. (2020), https://arxiv.org/abs/2002.04745.
    """

    def build(self, inputs_shape, memory_shape=None):
        if memory_shape is None:
            raise ValueError(
                "Expected a `memory` in the call that builds the block. Received: memory=None"
            )
        _check_memory(memory_shape)
        self.build_all(inputs_shape)
        self.cross_attention = self._attention(MultiHeadAttention, "cross_attention", 3)
        self.cross_attention.build([inputs_shape, memory_shape])
        self.around_cross_attention = self._residual("around_cross_attention", 4)
        self.around_cross_attention.build(inputs_shape)

    def call(
        self,
        inputs,
        memory=None,
        inputs_mask=None,
        memory_mask=None,
        return_attention_scores=False,
        training=None,
        cache=None,
    ):
        if (memory is None) == (cache is None):
            raise ValueError(
                "Expected either `memory` or `cache`, which holds the memory. "
                f"Received: memory={memory!r}, cache={cache!r}"
            )
        mask, _ = split_masks(inputs_mask, inputs)
        if cache is None:
            _check_memory(memory.shape, inputs.shape[0])
            written, memory = None, self.prepare(memory, memory_mask)
        else:
            written, memory = _parts(cache, inputs.shape[0])
        x = hide(ops.cast(inputs, self.compute_dtype), mask)
        attended = self.self_attention(
            self.around_self_attention.before(x),
            mask=mask,
            return_attention_scores=return_attention_scores,
            use_causal_mask=True,
            training=training,
            cache=written,
        )
        attended, *others = attended if isinstance(attended, tuple) else (attended,)
        scores = [others.pop(0)] if return_attention_scores else []
        x = self.around_self_attention.after(x, attended, training)
        before = self.around_cross_attention.before(x)
        read, weights = self._read(before, mask, memory, return_attention_scores, training)
        x = self.around_cross_attention.after(x, read, training)
        fed = self.feed_forward(self.around_feed_forward.before(x))
        x = self.around_feed_forward.after(x, fed, training)
        output = hide(ops.cast(x, self.compute_dtype), mask)
        scores += [weights] if return_attention_scores else []
        following = [DecoderBlockCache(*others, memory)] if others else []
        return (output, *scores, *following) if scores or following else output

    def _read(self, query, mask, memory, return_weights, training):
        """What the prepared memory answers, and the weights, None unless asked for."""
        memory = PreparedMemory(*memory)
        memory = memory._replace(mask=combine(memory.mask, padding(query_mask=mask)))
        noise = self.cross_attention.perturbation.sample(query, memory) if training else None
        read, weights = self.cross_attention.attend(
            query, memory, noise, return_weights=return_weights
        )
        return read, ops.cast(weights, self.compute_dtype) if return_weights else None

    def prepare(self, memory, memory_mask=None):
        """Projects the memory's keys and values, once per sequence.

        Args:
            memory: `(batch, Tsource, Dm)`.
            memory_mask: Bool `(batch, Tsource)`, the memory's Keras mask where not given.

        Returns:
            A `PreparedMemory` (keys, values, mask) of tensors that have the batch in front.
        """
        _check_memory(memory.shape)
        mask, _ = split_masks(memory_mask, memory)
        check_mask("memory_mask", mask, memory.shape[:-1])
        if mask is None:
            mask = ops.ones(ops.shape(memory)[:2], "bool")
        return self.cross_attention.prepare(memory, mask=padding(key_mask=mask))

    def get_initial_cache(self, memory, max_length, memory_mask=None):
        """A `DecoderBlockCache` before the first token.

        Args:
            memory: `(batch, Tsource, Dm)`.
            max_length: The most target tokens that it will hold.
            memory_mask: Bool `(batch, Tsource)`, the memory's Keras mask where not given.

        Raises:
            ValueError: If `max_length` is not a positive integer, or the block not yet built.
        """
        written = self.self_attention.get_initial_cache(ops.shape(memory)[0], max_length)
        return DecoderBlockCache(written, self.prepare(memory, memory_mask))

    def compute_mask(self, inputs, mask=None):
        return split_masks(mask, inputs)[0]

    def compute_output_shape(self, inputs_shape, memory_shape=None):
        return inputs_shape

    def compute_output_spec(
        self,
        inputs,
        memory=None,
        inputs_mask=None,
        memory_mask=None,
        return_attention_scores=False,
        training=None,
        cache=None,
    ):
        if cache is None:
            written = None
        else:
            written, memory = _parts(cache, inputs.shape[0])
        output, own_weights, *written = self.self_attention.compute_output_spec(
            inputs, return_attention_scores=True, cache=written
        )
        following = []
        if cache is not None:
            kept = tree.map_structure(
                lambda x: keras.KerasTensor(x.shape, x.dtype), PreparedMemory(*memory)
            )
            following = [DecoderBlockCache(*written, kept)]
        if not return_attention_scores:
            return (output, *following) if following else output
        source = memory.shape[1] if cache is None else kept.keys.shape[-2]
        shape = (*own_weights.shape[:-1], source)
        weights = keras.KerasTensor(shape, dtype=self.compute_dtype)
        return (output, own_weights, weights, *following)


def _check_memory(shape, batch=None):
    """Refuses a memory that is no sequence, or one of another batch (None = not known)."""
    shape = tuple(shape)
    if len(shape) != 3 or shape[-1] is None or None not in (shape[0], batch) and shape[0] != batch:
        raise ValueError(
            f"Expected `memory` (batch, Tsource, width) with a known width and the batch of "
            f"`inputs`. Received: memory {shape}, batch={batch}"
        )


def _parts(cache, batch):
    """`written` and `memory` of a `DecoderBlockCache` or of the lists that saving makes of one."""
    nests = (list, tuple)
    is_pair = isinstance(cache, nests) and len(cache) == 2
    if not is_pair or not isinstance(cache[1], nests) or len(cache[1]) != 3:
        raise ValueError(
            "Expected `cache` to be a DecoderBlockCache (written, memory). "
            f"Received: a {type(cache).__name__}"
        )
    written, memory = cache
    ranks = [len(x.shape) for x in memory]
    if ranks != [4, 4, 3] or any(
        None not in (n := x.shape[0], batch) and n != batch for x in memory
    ):
        raise ValueError(
            f"Expected the memory of a `cache` that the block made, of batch {batch}. "
            f"Received: tensors of shapes {[tuple(x.shape) for x in memory]}"
        )
    return written, PreparedMemory(*memory)
