"""Attention in several hops: each hop's context is added to the query of the next hop."""

from collections.abc import Sequence
from typing import Any, Literal

import keras
from keras import ops

import keras_attention.normalize
from keras_attention import arguments
from keras_attention.base_layer import BaseLayer
from keras_attention.batch_axes import broadcast_axes, join_batch, join_batch_sizes
from keras_attention.kernels.matmul import project
from keras_attention.layer_arguments import get_activation, get_initializer, get_regularizer
from keras_attention.layers.call_arguments.inputs import check_shapes, compute_query_mask
from keras_attention.layers.call_arguments.sequence_masks import prepare_mask
from keras_attention.layers.query_value.attention import Attention
from keras_attention.mask import combine, hide
from keras_attention.precision import at_least_float32, clip_input, saturate_cast, score_dtype
from keras_attention.score import Score
from keras_attention.tensors import check_tensors, keras_mask
from keras_attention.types import Config, Initializer, Normalizer, Regularizer, Shape, Tensor

TYINGS = ("adjacent", "layer_wise")
Tying = Literal["adjacent", "layer_wise"]


@keras.saving.register_keras_serializable(package="keras_attention")
class MultiHopAttention(BaseLayer):
    """Attends to a memory several times, each time with the sum of the last query and its context.

    score: any, at every hop; mask: padding; normalize: any; read: weighted sum, added to the query.

        weights_k   = normalize(score(query_k, keys_k), mask)
        context_k   = weights_k @ values_k
        query_(k+1) = activation(query_k + context_k)       with tying="adjacent"
        query_(k+1) = activation(query_k H + context_k)     with tying="layer_wise"

    The output is the query after the last hop. The first hop finds a fact by the question's words,
    each later one also by the facts read so far.

    The layer embeds nothing: the memories may be bags of words (`keras_attention.BagOfWords`),
    recurrent states or regions of an image. With `tying="adjacent"`, hop k has keys `memories[k]`
    and values `memories[k + 1]`, so that the values of each hop are the keys of the next one. With
    `tying="layer_wise"`, all hops have keys `memories[0]` and values `memories[1]`, and the query
    is multiplied by the same matrix H after every hop.

    Weights: `hop_kernel` H (D, D) if `tying` is "layer_wise"; those of the score, if it has any,
    which all hops share.

    Args:
        hops: Number of hops, at least 1.
        tying: "adjacent" or "layer_wise".
        score: "dot", another name, or a `keras_attention.score.Score`, as in
            `keras_attention.Attention`.
        normalize: "softmax", "linear", another name, or a function `(scores, mask) -> weights`, as
            in `keras_attention.Attention`. With tying="adjacent" and score="dot" the layer has no
            weights, so models with "linear" and "softmax" can share all of theirs.
        hop_activation: A Keras activation, its name, or a function of the query after each hop;
            None = linear.
        dropout: Fraction of the weights to drop in training, in [0, 1).
        seed: Seed of the dropout, an int or None.
        kernel_initializer: Initializer of H.
        kernel_regularizer: Regularizer of H.

    Call arguments:
        inputs: A list `[query, *memories]` of query `(batch, D)`, or `(batch, Tq, D)` for several
            queries to the same memory, and memories `(batch, S, D)`: `hops + 1` of them if `tying`
            is "adjacent", else two, for keys and values. There may be more batch axes. A batch axis
            of size 1 is broadcast.
        mask: A list of Keras masks, one for each input, whose entries may be None: `(batch,)` or
            `(batch, Tq)` for the query, `(batch, S)` for each memory. None = the Keras masks of the
            inputs. A place that is masked in one memory is masked in all. A masked query gives
            zeros; a query with no visible place has contexts of zero.
        return_attention_scores: Whether to return the weights too.
        training: Whether to apply dropout to the weights.

    Returns:
        `(batch, D)`, and with `return_attention_scores` the weights `(batch, hops, S)` before
        dropout; `(batch, Tq, D)` and `(batch, hops, Tq, S)` for several queries.

    Raises:
        ValueError: If an argument, the number of inputs, a shape or a mask is not as described.

    Example:
    >>> question, facts = np.ones((2, 8), "float32"), np.ones((2, 5, 8), "float32")
    >>> layer = keras_attention.MultiHopAttention(hops=3)
    >>> output, weights = layer([question, *[facts] * 4], return_attention_scores=True)
    >>> output.shape, weights.shape
    (TensorShape([2, 8]), TensorShape([2, 3, 5]))

    Differs from the paper, which has a single query, the dot product and softmax or no normalizer.

    Reference:
        End-To-End Memory Networks, Sukhbaatar et al. (2015), equations 1 to 4 and section 2.2,
        https://arxiv.org/abs/1503.08895.
    """

    def __init__(
        self,
        hops: int = 3,
        tying: Tying = "adjacent",
        score: Score | str | Config = "dot",
        normalize: Normalizer | str = "softmax",
        hop_activation: Any = None,
        dropout: float = 0.0,
        seed: int | None = None,
        kernel_initializer: Initializer = "glorot_uniform",
        kernel_regularizer: Regularizer = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hops = arguments.positive_integer("hops", hops)
        self.tying = arguments.one_of("tying", tying, TYINGS)
        self.hop_activation = get_activation("hop_activation", hop_activation)
        self.kernel_initializer = get_initializer("kernel_initializer", kernel_initializer)
        self.kernel_regularizer = get_regularizer("kernel_regularizer", kernel_regularizer)
        self.attention = Attention(
            score, normalize, dropout, seed, dtype=self.dtype_policy, name="attention"
        )
        self.supports_masking = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        inputs = args[0] if args else kwargs.get("inputs")
        # Check before `build`, which gets only shapes and cannot tell that a tensor is ragged.
        check_tensors("inputs", *(inputs if isinstance(inputs, (list, tuple)) else [inputs]))
        return super().__call__(*args, **kwargs)

    def build(self, input_shape: Any) -> None:
        query_shape, *memory_shapes = self._check_shapes(input_shape)
        if self.tying == "layer_wise":
            self.hop_kernel = self.add_weight(
                name="hop_kernel",
                shape=(query_shape[-1], query_shape[-1]),
                initializer=self.kernel_initializer,
                regularizer=self.kernel_regularizer,
                autocast=False,
            )
        self.attention.build([query_shape, memory_shapes[1], memory_shapes[0]])

    def call(
        self,
        inputs: Sequence[Tensor],
        mask: Sequence[Tensor | None] | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        self._check_shapes(self._get_shapes(inputs))
        query_mask, memory_mask = self._prepare_masks(inputs, mask)
        axes = len(inputs[-1].shape) - 2
        sizes = join_batch_sizes(inputs, axes)
        query, *memories = (broadcast_axes(x, sizes) for x in inputs)
        query_mask, memory_mask = (broadcast_axes(m, sizes) for m in (query_mask, memory_mask))
        query = hide(ops.cast(query, self.compute_dtype), query_mask)
        weights = []
        for keys, values in self._pair(memories):
            result = self.attention(
                [query, values, keys],
                mask=[query_mask, memory_mask],
                return_attention_scores=return_attention_scores,
                training=training,
            )
            context, hop_weights = result if return_attention_scores else (result, None)
            query = self._add_context(query, context)
            weights.append(hop_weights)
        query = hide(query, query_mask)
        return (query, ops.stack(weights, axis=axes)) if return_attention_scores else query

    def _pair(self, memories):
        """Return the keys and values of each hop; the memories are tensors or shapes."""
        if self.tying == "layer_wise":
            return [tuple(memories)] * self.hops
        return list(zip(memories[:-1], memories[1:], strict=True))

    def _add_context(self, query, context):
        """Return the query of the next hop; the sum of half-precision vectors is float32."""
        if self.tying == "layer_wise":
            dtype = score_dtype(self.compute_dtype)
            query = project(clip_input(query), self.hop_kernel, dtype=dtype)
        total = self.hop_activation(at_least_float32(query) + at_least_float32(context))
        return saturate_cast(total, self.compute_dtype)

    def _get_shapes(self, inputs):
        if not isinstance(inputs, (list, tuple)) or not all(hasattr(x, "shape") for x in inputs):
            raise ValueError(
                f"Expected `inputs` to be a list [query, *memories]. Received: inputs={inputs!r}"
            )
        return [tuple(x.shape) for x in inputs]

    def _check_shapes(self, shapes):
        """Return the shapes of all inputs; raise a ValueError if they do not fit together."""
        count = 2 if self.tying == "layer_wise" else self.hops + 1
        if not isinstance(shapes[0], (list, tuple)) or len(shapes) != 1 + count:
            raise ValueError(
                f"Expected `inputs` to be a list [query, *memories] with {count} memories for "
                f"hops={self.hops} and tying={self.tying!r}. Received: inputs of shapes {shapes}"
            )
        query, *memories = (tuple(shape) for shape in shapes)
        for keys, values in self._pair(memories):
            check_shapes(query, values, keys)
            if not query[-1] == keys[-1] == values[-1]:
                raise ValueError(
                    "Expected memories of the query's width, because each context is added to the "
                    f"query. Received: query {query}, memories {memories}"
                )
        return query, *memories

    def _prepare_masks(self, inputs, mask):
        """Return the mask of the query and the logical AND of the memories' masks, or None."""
        if mask is None:
            mask = [keras_mask(x) for x in inputs]
        if not isinstance(mask, (list, tuple)) or len(mask) != len(inputs):
            raise ValueError(
                f"Expected `mask` to be a list of {len(inputs)} masks, one for each input, or None "
                f"for an input without a mask. Received: mask={mask!r}"
            )
        names = ["query_mask"] + ["memory_mask"] * (len(inputs) - 1)
        query_mask, *masks = map(prepare_mask, names, mask, inputs)
        return query_mask, combine(*masks)

    def compute_mask(
        self, inputs: Sequence[Tensor], mask: Sequence[Tensor | None] | None = None
    ) -> Tensor | None:
        query_mask, memory_mask = self._prepare_masks(inputs, mask)
        return compute_query_mask(self, [inputs[0], inputs[-1]], [query_mask, memory_mask])

    def compute_output_shape(self, input_shape: Any) -> Shape:
        query, *memories = self._check_shapes(input_shape)
        axes = len(memories[0]) - 2
        return (*join_batch(*(shape[:axes] for shape in (query, *memories))), *query[axes:])

    def compute_output_spec(
        self,
        inputs: Sequence[Tensor],
        mask: Sequence[Tensor | None] | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        shape = self.compute_output_shape(self._get_shapes(inputs))
        self._prepare_masks(inputs, mask)
        output = keras.KerasTensor(shape, self.compute_dtype)
        if not return_attention_scores:
            return output
        *_, places, _ = inputs[-1].shape
        axes = len(inputs[-1].shape) - 2
        scores_shape = (*shape[:axes], self.hops, *shape[axes:-1], places)
        return output, keras.KerasTensor(scores_shape, self.compute_dtype)

    def get_config(self) -> Config:
        attention = self.attention
        return {
            **super().get_config(),
            "hops": self.hops,
            "tying": self.tying,
            "score": keras.saving.serialize_keras_object(attention.score),
            "normalize": keras_attention.normalize.serialize(attention.normalize),
            "hop_activation": keras.activations.serialize(self.hop_activation),
            "dropout": attention.dropout,
            "seed": attention.seed,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
