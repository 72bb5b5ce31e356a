"""The decoder block of the Transformer (Vaswani et al. 2017)."""

from typing import Any

import keras
from keras import ops, tree

from keras_attention.batch_axes import broadcast_to_batch
from keras_attention.kernels.prepared_memory import PreparedMemory
from keras_attention.layers.call_arguments.inputs import split_masks
from keras_attention.layers.call_arguments.sequence_masks import prepare_sequence_mask
from keras_attention.layers.multi_head.multi_head_attention import MultiHeadAttention
from keras_attention.layers.transformer.block_base import TransformerBlock
from keras_attention.layers.transformer.decoder_cache import (
    DecoderBlockCache,
    check_memory,
    check_memory_or_cache,
    split_cache,
)
from keras_attention.mask import hide, padding
from keras_attention.mask.structured_mask import StructuredMask
from keras_attention.precision import saturate_cast
from keras_attention.tensors import check_not_symbolic, check_tensors
from keras_attention.types import Nest, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class TransformerDecoderBlock(TransformerBlock):
    """Causal self-attention, attention to a memory, and a position-wise feed-forward network.

    score: scaled dot per head; mask: padding, causal, window; normalize: softmax; read: weighted
    sum, merge heads, of the target and then of the memory, then a position-wise network.

        norm="post":  h = LayerNorm(x + Dropout(MultiHeadSelfAttention(x, causal)))
                      r = LayerNorm(h + Dropout(MultiHeadAttention([h, memory])))
                      y = LayerNorm(r + Dropout(FFN(r)))
        norm="pre":   h = x + Dropout(MultiHeadSelfAttention(LayerNorm(x), causal))
                      r = h + Dropout(MultiHeadAttention([LayerNorm(h), memory]))
                      y = r + Dropout(FFN(LayerNorm(r)))

    With a cache the target is passed step by step, and the outputs equal those of one call with the
    whole target. The memory is projected once, when the cache is created:

        cache = block.get_initial_cache(memory, max_length, memory_mask)
        output, cache = block(x[:, :1], cache=cache)

    Masked target tokens take no slot of the cache and do not count as positions, so that targets of
    different lengths can be padded on either side, as in `MultiHeadSelfAttention`.

    Weights: those of `self_attention` and its normalization, of the network and its normalization
    (as in `TransformerEncoderBlock`), of `cross_attention` (a `MultiHeadAttention`) and its
    normalization.

    Args:
        num_heads: Number of heads of both attentions.
        hidden_dim: Width of the network's hidden layer, 4 D in the paper.
        key_dim: Width of each head; None = D / num_heads.
        num_key_value_heads: Number of key/value heads, shared by groups of heads; None = num_heads.
        dropout: Fraction of each sublayer's output to drop in training, in [0, 1).
        attention_dropout: Fraction of the attention weights to drop in training.
        norm: "post" or "pre", as in `TransformerEncoderBlock`.
        activation: Activation of the hidden layer, as in `keras.layers.Dense`.
        window: As in `MultiHeadSelfAttention`; it does not restrict attention to the memory.
        rotary_base: As in `MultiHeadSelfAttention`; the memory's keys are not rotated.
        use_bias: Whether the attentions' projections add biases; the paper's do not.
        seed: Seed of the dropouts, an int or None.
        implementation: "plain", "blockwise" or "auto", as in `MultiHeadAttention`.
        layer_norm_epsilon: Added to the variance under the normalizations' square root. If the
            residual stream is small, it changes the outputs: pretrained weights need the epsilon
            that they were trained with, 1e-5 in PyTorch and KerasHub, 1e-12 in BERT.
        kernel_initializer: Initializer of all kernels, of the attentions and of the network.
        bias_initializer: Initializer of all their biases.

    Call arguments:
        inputs: Target `(batch, Ttarget, D)`, shifted right by the caller.
        memory: `(batch, Tsource, Dm)`, an encoder's output; a batch of 1 is broadcast. None with a
            cache, which contains the memory.
        inputs_mask: Bool `(batch, Ttarget)`; None = the Keras mask of `inputs`.
        memory_mask: Bool `(batch, Tsource)`; None = the Keras mask of `memory`.
        return_attention_scores: Whether to return the weights of both attentions too.
        training: Whether to apply dropout.
        cache: A `DecoderBlockCache`, or the lists into which saving converts one; None = the whole
            target is passed at once.

    Returns:
        `(batch, Ttarget, D)`, zero where `inputs_mask` is False; then, with
        `return_attention_scores`, the weights `(batch, num_heads, Ttarget, Ttarget)` (with a cache,
        the last axis is `max_length`) and `(batch, num_heads, Ttarget, Tsource)`; then the next
        cache if one was passed. The inputs' Keras mask is propagated.

    Raises:
        ValueError: If an argument, a shape or a mask is invalid.

    Example:
    >>> block = keras_attention.TransformerDecoderBlock(num_heads=4, hidden_dim=32)
    >>> target, source = np.ones((2, 3, 8), "float32"), np.ones((2, 5, 8), "float32")
    >>> expected = block(target, source)
    >>> output, cache = block(target, cache=block.get_initial_cache(source, max_length=7))
    >>> bool(np.allclose(output, expected, atol=1e-5))
    True

    Differs from the paper: attention has biases unless `use_bias` is False, as in Keras.
    `Model.quantize` quantizes the network alone: see `MultiHeadAttention`.

    Reference:
        Attention Is All You Need, Vaswani et al. (2017), sections 3.1 to 3.3,
        https://arxiv.org/abs/1706.03762; pre-norm: On Layer Normalization in the Transformer
        Architecture, Xiong et al. (2020), https://arxiv.org/abs/2002.04745.
    """

    _tensor_arguments = ("inputs", "memory")
    _attention_names = ("self_attention", "cross_attention")

    def build(self, inputs_shape: Shape, memory_shape: Shape | None = None) -> None:
        if memory_shape is None:
            raise ValueError(
                "Expected `memory` in the call that builds the block. Received: memory=None"
            )
        check_memory(memory_shape)
        self.build_all(inputs_shape)
        self.cross_attention = self._make_attention(MultiHeadAttention, "cross_attention", 3)
        self.cross_attention.build([inputs_shape, memory_shape])
        self.around_cross_attention = self._make_residual("around_cross_attention", 4)
        self.around_cross_attention.build(inputs_shape)

    def call(
        self,
        inputs: Tensor,
        memory: Tensor | None = None,
        inputs_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        cache: Nest | None = None,
    ) -> Tensor | tuple[Any, ...]:
        check_memory_or_cache(memory, memory_mask, cache)
        check_tensors("inputs", inputs)
        mask = prepare_sequence_mask("inputs_mask", inputs_mask, inputs)
        if cache is None:
            check_tensors("memory", memory)
            check_memory(memory.shape, inputs.shape[0])
            memory_mask = prepare_sequence_mask("memory_mask", memory_mask, memory)
            memory, memory_mask = broadcast_to_batch(inputs, memory, memory_mask)
            written, memory = None, self.prepare(memory, memory_mask)
        else:
            written, memory = split_cache(cache, inputs.shape[0])
        x = hide(ops.cast(inputs, self.compute_dtype), mask)
        attended = self.self_attention(
            self.around_self_attention.pre(x),
            mask=mask,
            return_attention_scores=return_attention_scores,
            use_causal_mask=True,
            training=training,
            cache=written,
        )
        attended, *extra_outputs = attended if isinstance(attended, tuple) else (attended,)
        scores = [extra_outputs.pop(0)] if return_attention_scores else []
        next_written = extra_outputs  # a list with one cache, or an empty list
        x = self.around_self_attention.post(x, attended, training)
        query = self.around_cross_attention.pre(x)
        context, weights = self._attend_to_memory(
            query, mask, memory, return_attention_scores, training
        )
        x = self.around_cross_attention.post(x, context, training)
        transformed = self.feed_forward(self.around_feed_forward.pre(x))
        x = self.around_feed_forward.post(x, transformed, training)
        output = hide(saturate_cast(x, self.compute_dtype), mask)
        scores += [weights] if return_attention_scores else []
        next_cache = [DecoderBlockCache(*next_written, memory=memory)] if next_written else []
        return (output, *scores, *next_cache) if scores or next_cache else output

    def _attend_to_memory(self, query, mask, memory, return_weights, training):
        """Return the context from the prepared memory, and the weights or None."""
        keys, values, key_mask = memory
        # `prepare` has zeroed the masked keys. A dense mask would make `attend` do it again.
        sizes = ops.shape(query)[1], ops.shape(keys)[2]
        visible = StructuredMask(*sizes, query_mask=mask, key_mask=key_mask[:, 0])
        memory = PreparedMemory(keys, values, visible)
        noise = self.cross_attention.perturbation.sample(query, memory) if training else None
        context, weights = self.cross_attention.attend(
            query, memory, noise, return_weights=return_weights
        )
        return context, ops.cast(weights, self.compute_dtype) if return_weights else None

    def prepare(self, memory: Tensor, memory_mask: Tensor | None = None) -> PreparedMemory:
        """Project the keys and values of the memory, once per sequence.

        Args:
            memory: `(batch, Tsource, Dm)`.
            memory_mask: Bool `(batch, Tsource)`; None = the Keras mask of `memory`.

        Returns:
            A `PreparedMemory` (keys, values, mask); the first axis of every tensor is the batch.
        """
        check_not_symbolic("prepare", memory=memory, memory_mask=memory_mask)
        check_memory(memory.shape)
        mask = prepare_sequence_mask("memory_mask", memory_mask, memory)
        if mask is None:
            mask = ops.ones(ops.shape(memory)[:2], "bool")
        return self.cross_attention.prepare(memory, mask=padding(key_mask=mask))

    def get_initial_cache(
        self, memory: Tensor, max_length: int, memory_mask: Tensor | None = None
    ) -> DecoderBlockCache:
        """Return the `DecoderBlockCache` before the first token.

        Args:
            memory: `(batch, Tsource, Dm)`.
            max_length: Maximum number of target tokens in the cache.
            memory_mask: Bool `(batch, Tsource)`; None = the Keras mask of `memory`.

        Raises:
            ValueError: If `max_length` is not a positive integer, or the block is not built.
        """
        check_not_symbolic("get_initial_cache", memory=memory, memory_mask=memory_mask)
        written = self.self_attention.get_initial_cache(ops.shape(memory)[0], max_length)
        return DecoderBlockCache(written, self.prepare(memory, memory_mask))

    def compute_mask(self, inputs: Nest, mask: Nest | None = None) -> Tensor | None:
        return split_masks(mask, inputs)[0]

    def compute_output_shape(self, inputs_shape: Shape, memory_shape: Shape | None = None) -> Shape:
        return inputs_shape

    def compute_output_spec(
        self,
        inputs: Tensor,
        memory: Tensor | None = None,
        inputs_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        cache: Nest | None = None,
    ) -> Any:
        check_memory_or_cache(memory, memory_mask, cache)
        check_tensors("inputs", inputs)
        prepare_sequence_mask("inputs_mask", inputs_mask, inputs)
        if cache is None:
            check_tensors("memory", memory)
            check_memory(memory.shape, inputs.shape[0])
            written = None
            prepare_sequence_mask("memory_mask", memory_mask, memory)
        else:
            written, memory = split_cache(cache, inputs.shape[0])
        output, self_weights, *written = self.self_attention.compute_output_spec(
            inputs, return_attention_scores=True, cache=written
        )
        next_cache = []
        if cache is None:
            source_length = memory.shape[1]
        else:
            memory_spec = tree.map_structure(
                lambda x: keras.KerasTensor(x.shape, x.dtype), PreparedMemory(*memory)
            )
            next_cache = [DecoderBlockCache(*written, memory=memory_spec)]
            source_length = memory_spec.keys.shape[-2]
        if not return_attention_scores:
            return (output, *next_cache) if next_cache else output
        shape = (*self_weights.shape[:-1], source_length)
        weights = keras.KerasTensor(shape, dtype=self.compute_dtype)
        return (output, self_weights, weights, *next_cache)
