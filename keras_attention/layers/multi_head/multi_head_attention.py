"""Multi-head attention between two sequences (Vaswani et al. 2017)."""

import dataclasses
from typing import Any

import keras
from keras import ops, tree

from keras_attention import arguments
from keras_attention.kernels.attention import Implementation, attention
from keras_attention.kernels.matmul import project
from keras_attention.kernels.prepared_memory import PreparedMemory
from keras_attention.layer_arguments import get_initializer, get_regularizer
from keras_attention.layers.call_arguments.attention_bias import (
    add_bias_to_mask,
    check_attention_bias,
    prepare_attention_bias,
)
from keras_attention.layers.call_arguments.inputs import (
    check_shapes,
    prepare_inputs,
    split_inputs,
    split_masks,
)
from keras_attention.layers.call_arguments.shapes import broadcast_query_shape, split_shapes
from keras_attention.layers.multi_head.head_masks import add_head_mask, split_head_mask
from keras_attention.layers.multi_head.prepared_positions import (
    align_positions,
    mask_prepared_memory,
)
from keras_attention.layers.multi_head.projection import add_projection
from keras_attention.layers.positions.rotary import rotate
from keras_attention.layers.query_value.base import QueryValueAttention, add_query_axis
from keras_attention.layers.query_value.perturbation import SeededDropout
from keras_attention.mask.structured_mask import (
    StructuredMask,
    as_structured_mask,
    build_structured_mask,
    count_positions,
    zero_masked_keys,
)
from keras_attention.normalize import softmax
from keras_attention.precision import clip_input, score_dtype
from keras_attention.score import DotScore
from keras_attention.tensors import check_not_symbolic, convert_argument
from keras_attention.types import Config, Initializer, Nest, Regularizer, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class MultiHeadAttention(QueryValueAttention):
    """Several attention heads in parallel, each with its own projections.

    score: scaled dot per head; mask: padding, causal; normalize: softmax; read: weighted sum,
    merge heads.

        score_h[i, j] = (query_i Wq_h) . (key_j Wk_h) / sqrt(key_dim) + attention_bias_h[i, j]
        context_h[i]  = sum_j softmax_j(score_h[i, j]) value_j Wv_h             (equation 1)
        output_i      = [context_1[i]; ...; context_heads[i]] Wo

    With `num_key_value_heads` below `num_heads`, consecutive heads share keys and values, which are
    not copied. This is grouped-query attention, or multi-query attention if they all share one.

    Weights, each kernel followed by its bias with `use_bias`: `query_kernel`
    (Dq, num_heads * key_dim), `key_kernel` (Dk, num_key_value_heads * key_dim), `value_kernel`
    (Dv, num_key_value_heads * value_dim), `output_kernel` (num_heads * value_dim, Dq). The columns
    (in `output_kernel` the rows) are ordered by head; `keras_attention.multi_head_from_keras`
    converts the weights of Keras.

    Args:
        num_heads: Number of heads.
        key_dim: Width of each head's queries and keys; None = Dq / num_heads, as in the paper.
        value_dim: Width of each head's values; None = `key_dim`.
        num_key_value_heads: Number of heads of keys and values, a divisor of `num_heads`; None =
            `num_heads`.
        dropout: Fraction of the weights to drop in training, in [0, 1).
        use_bias: Whether every projection adds a bias.
        seed: Seed of the dropout, an int or None.
        kernel_initializer: Initializer of the four kernels.
        bias_initializer: Initializer of the biases.
        kernel_regularizer: Regularizer of the four kernels.
        implementation: "plain" stores all weights. "blockwise" gives the same numbers, to rounding,
            without storing them. TensorFlow and JAX compute block by block. PyTorch, and JAX on
            GPUs in half precision, use fused attention unless there is dropout or an
            `attention_bias`; PyTorch then stores all weights. "auto" is "blockwise" from 512
            queries and keys on, because it is faster in graphs from there on. Weights to be
            returned are computed separately. Second derivatives (on PyTorch, and on TensorFlow
            under XLA) and `jax.jvp` need "plain".

    Call arguments:
        inputs, mask, attention_mask, return_attention_scores, use_causal_mask, training: As in
            `keras_attention.Attention`: one tensor, `[query, value]` or `[query, value, key]`, all
            of rank 3; the query may be one vector per sample. The attention mask may have an axis
            of heads after the batch, `(batch, num_heads, Tq, Tk)`, where any axis may have size 1.
            A mask that differs between heads is computed as a bias.
        attention_bias: Float, broadcastable to `(batch, num_heads, Tq, Tk)` (to `(batch, num_heads,
            Tk)` for a single query), such as ALiBi's or T5's relative positions; None adds nothing.
            Its gradient has the same shape. Values at masked positions, even NaN, have no effect.
            -inf masks a position: its weight is 0. If all visible keys of a query have a bias of
            -inf in all heads, the query gives zeros, as if it were fully masked. Keys with a bias
            of +inf share all weight. NaN at a visible position gives NaN.

    Returns:
        Output `(batch, Tq, Dq)`, zero for a query without a visible key (the output projection's
        bias is not added to it), and with `return_attention_scores` the weights `(batch,
        num_heads, Tq, Tk)`; both without `Tq` for a single query `(batch, Dq)`.

    Raises:
        ValueError: If an argument, a shape or a mask is not as described.

    Example:
    >>> query, value = np.ones((2, 3, 8), "float32"), np.ones((2, 5, 6), "float32")
    >>> layer = keras_attention.MultiHeadAttention(num_heads=4, key_dim=2)
    >>> output, weights = layer([query, value], return_attention_scores=True)
    >>> output.shape, weights.shape
    (TensorShape([2, 3, 8]), TensorShape([2, 4, 3, 5]))

    Differs from the paper, which does not mention biases: they are on by default, as in Keras.
    Differs from `keras.layers.MultiHeadAttention`: the inputs are a list, value before key; the
    initial kernels have another scale, because Keras's initializers treat the three axes of its
    kernels as those of a convolution; a query without a visible key gives zeros. There is no
    `output_shape` (the output has the query's width), no `attention_axes` (an image, which Keras
    attends to as a whole, is rejected: reshape it to (batch, height * width, channels)), no
    `use_gate`, no `bias_regularizer` and no constraints; `sliding_window` is `window` of
    `MultiHeadSelfAttention`, `flash_attention` is `implementation`. The kernels are weights of the
    layer itself: `Model.quantize` does not quantize them, and warns; there is no `enable_lora`. To
    use either, convert the layer by `keras_attention.multi_head_to_keras`.

    Reference:
        Attention Is All You Need, Vaswani et al. (2017), section 3.2,
        https://arxiv.org/abs/1706.03762; groups: GQA, Ainslie et al. (2023), section 2.2,
        https://arxiv.org/abs/2305.13245.
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int | None = None,
        value_dim: int | None = None,
        num_key_value_heads: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        seed: int | None = None,
        kernel_initializer: Initializer = "glorot_uniform",
        bias_initializer: Initializer = "zeros",
        kernel_regularizer: Regularizer = None,
        implementation: Implementation = "auto",
        **kwargs,
    ):
        score = DotScore(scaled=True, dtype=kwargs.get("dtype"), name="score")
        super().__init__(
            score=score,
            normalize=softmax,
            dropout=dropout,
            seed=seed,
            implementation=implementation,
            **kwargs,
        )
        self.autocast = False  # Keras would cast an attention bias to the compute dtype
        self.num_heads = arguments.positive_integer("num_heads", num_heads)
        self.key_dim = arguments.positive_integer("key_dim", key_dim, optional=True)
        self.value_dim = arguments.positive_integer("value_dim", value_dim, optional=True)
        self.num_key_value_heads = arguments.positive_integer(
            "num_key_value_heads", num_key_value_heads, optional=True
        )
        if self.num_heads % (self.num_key_value_heads or 1):
            raise ValueError(
                "Expected `num_key_value_heads` to divide `num_heads`. Received: "
                f"num_key_value_heads={num_key_value_heads}, num_heads={num_heads}"
            )
        self.use_bias = arguments.boolean("use_bias", use_bias)
        self.kernel_initializer = get_initializer("kernel_initializer", kernel_initializer)
        self.bias_initializer = get_initializer("bias_initializer", bias_initializer)
        self.kernel_regularizer = get_regularizer("kernel_regularizer", kernel_regularizer)
        self.perturbation = SeededDropout(self, self.num_heads)
        self.window = None
        self.rotary_base = None
        self._groups = self.num_key_value_heads or self.num_heads

    def build(self, input_shape: Any) -> None:
        query_shape, value_shape, key_shape = split_shapes(input_shape)
        check_shapes(query_shape, value_shape, key_shape)
        _check_rank(query_shape, value_shape)
        width = query_shape[-1]
        if self.key_dim is None and width % self.num_heads:
            raise ValueError(
                "Expected a `key_dim`, or a query whose width is a multiple of `num_heads`. "
                f"Received: num_heads={self.num_heads}, query {query_shape}"
            )
        self._key_dim = self.key_dim or width // self.num_heads
        self._value_dim = self.value_dim or self._key_dim
        self.score.build((None, self._key_dim), (None, self._key_dim))
        keys, values = self._groups * self._key_dim, self._groups * self._value_dim
        self._query_projection = add_projection(
            self, "query", width, self.num_heads * self._key_dim
        )
        self._key_projection = add_projection(self, "key", key_shape[-1], keys)
        self._value_projection = add_projection(self, "value", value_shape[-1], values)
        self._output_projection = add_projection(
            self, "output", self.num_heads * self._value_dim, width
        )

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        attention_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
        training: bool | None = None,
        attention_bias: Tensor | None = None,
    ) -> Any:
        query, value, key, query_mask, key_mask = prepare_inputs(inputs, mask)
        _check_rank(query.shape, value.shape)
        mask, head_mask = self._build_masks(
            query, key, query_mask, key_mask, attention_mask, use_causal_mask
        )
        bias = self._prepare_bias(attention_bias, query, key, head_mask)
        if self.window is not None:
            mask = dataclasses.replace(mask, window=self.window)
        memory = self.prepare(value, key, mask if bias is None else add_bias_to_mask(mask, bias))
        memory = memory._replace(mask=mask)  # `attention` itself masks the pairs of bias -inf
        noise = self.perturbation.sample(query, memory) if training else None
        output, weights = self.attend(
            query, memory, noise, return_weights=return_attention_scores, bias=bias
        )
        if return_attention_scores:
            return output, ops.cast(weights, self.compute_dtype)
        return output

    def _build_masks(self, query, key, query_mask, key_mask, attention_mask, use_causal_mask=False):
        """Return a call's `StructuredMask`, and the mask with an axis of heads, or None."""
        head_mask = None
        if attention_mask is not None:
            attention_mask, head_mask = split_head_mask(attention_mask, query, key, self.num_heads)
        masks = query_mask, key_mask, attention_mask
        return build_structured_mask(query, key, *masks, use_causal_mask), head_mask

    def _prepare_bias(self, bias, query, keys, head_mask):
        if bias is None and head_mask is None:
            return None
        dtype = score_dtype(self.compute_dtype)
        if bias is not None:
            bias = prepare_attention_bias(bias, query, keys, self.num_heads, dtype)
        return add_head_mask(bias, head_mask, dtype)

    def prepare(
        self,
        value: Tensor,
        key: Tensor | None = None,
        mask: Any = None,
        for_steps: bool = False,
        positions: Tensor | None = None,
    ) -> PreparedMemory:
        """Compute the projected keys and values; see `QueryValueAttention.prepare`.

        Args:
            value: As in the base class.
            key: As in the base class.
            mask: As in the base class.
            for_steps: As in the base class.
            positions: Positions of the keys, for rotary position embedding, int `(batch, Tk)`; None
                counts from 0.

        Returns:
            A `PreparedMemory` of keys and values `(batch, num_key_value_heads, Tk, width)`.
        """
        check_not_symbolic("prepare", value=value, key=key)
        is_shared = key is None or key is value
        value = zero_masked_keys(ops.cast(value, self.compute_dtype), mask)
        value = clip_input(value)
        if is_shared:
            key = value
        else:
            key = zero_masked_keys(ops.cast(key, self.compute_dtype), mask)
            key = clip_input(key)
        keys = ops.swapaxes(project(key, *self._key_projection, heads=self._groups), -2, -3)
        values = ops.swapaxes(project(value, *self._value_projection, heads=self._groups), -2, -3)
        if self.rotary_base is not None:
            if positions is None:
                positions = ops.arange(ops.shape(keys)[-2], dtype="int32")[None]
            keys = rotate(keys, positions, self.rotary_base)
        return PreparedMemory(keys, values, mask)

    def attend(
        self,
        query: Tensor,
        memory: PreparedMemory,
        noise: Nest = None,
        positions: Tensor | None = None,
        return_weights: bool = True,
        bias: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend to a prepared memory; see `QueryValueAttention.attend`.

        Args:
            query: As in the base class.
            memory: As in the base class.
            noise: As in the base class.
            positions: Positions of the queries among the keys, for rotary positions and the window,
                int `(batch, Tq)`, or `(batch,)` for a single query; None gives the last query the
                position of the last key.
            return_weights: As in the base class.
            bias: The bias that `prepare_attention_bias` returned, or None.

        Returns:
            Output `(batch, Tq, Dq)`, and weights `(batch, num_heads, Tq, Tk)` or None; both without
            `Tq` for a single query.
        """
        check_not_symbolic("attend", query=query, memory=(memory.keys, memory.values))
        query = ops.cast(query, self.compute_dtype)
        is_single = len(query.shape) < len(memory.keys.shape) - 1
        queries, keys = count_positions(query, memory.keys, memory.mask, is_single)
        if self.rotary_base is not None or self.window is not None:
            positions = align_positions(positions, queries, keys, is_single)
        if not isinstance(memory.mask, StructuredMask):
            memory = mask_prepared_memory(memory, queries, positions, self.window)
        mask = as_structured_mask(memory.mask, queries, keys)
        # As in the base class, masked queries are zeroed before they are projected, and a single
        # query is projected before it gets an axis of queries.
        visible = mask if bias is None else add_bias_to_mask(mask, bias)
        query = visible.zero_masked_queries(query, is_single)
        heads = self._project_query(query, positions, is_single)
        if is_single:
            noise = add_query_axis(noise)
        context, weights = attention(
            self.score,
            self.normalize,
            self.perturbation,
            self.score.project_query(heads),
            memory,
            mask,
            noise,
            bias=bias,
            implementation=self.implementation,
            return_weights=return_weights,
            groups=self._groups,
        )
        context = _merge_heads(context)
        if is_single:
            context = ops.squeeze(context, -2)
            weights = None if weights is None else ops.squeeze(weights, -2)
        # The bias of the output projection must not reach fully masked queries.
        output = visible.zero_masked_queries(self.transform_output(context, query), is_single)
        return output, weights

    def project(self, inputs: Any, mask: Any = None) -> tuple[Tensor, Tensor, Tensor]:
        """Return the query, key and value vectors of each head, as a call computes them.

        The scores of a head are the products of its query and key vectors divided by
        sqrt(key_dim); `keras_attention.visualize.neuron_view` draws them neuron by neuron.

        Args:
            inputs: As in a call.
            mask: As in a call. The vectors of masked positions do not depend on the inputs.

        Returns:
            Query `(batch, num_heads, Tq, key_dim)`, for a single query with Tq = 1; key
            `(batch, num_key_value_heads, Tk, key_dim)`; value `(batch, num_key_value_heads, Tk,
            value_dim)`. With `rotary_base`, queries and keys are rotated.

        Raises:
            ValueError: If the inputs or masks are not as in a call, if they are symbolic, or if the
                layer has not been built.
        """
        if not self.built:
            raise ValueError(
                "Expected a layer that has been built, because only then it has weights: call "
                f"the layer before `project`. Received: layer {self.name!r}"
            )
        inputs = tree.map_structure(lambda x: convert_argument("inputs", x), inputs)
        check_not_symbolic("project", inputs=inputs)
        query, value, key, query_mask, key_mask = prepare_inputs(inputs, mask)
        _check_rank(query.shape, value.shape)
        visible, _ = self._build_masks(query, key, query_mask, key_mask, None)
        memory = self.prepare(value, key, visible)
        is_single = len(query.shape) < len(value.shape)
        query = visible.zero_masked_queries(ops.cast(query, self.compute_dtype), is_single)
        queries, keys = count_positions(query, memory.keys, visible, is_single)
        positions = align_positions(None, queries, keys, is_single)
        return self._project_query(query, positions, is_single), memory.keys, memory.values

    def _project_query(self, query, positions, is_single):
        """Return the query vectors `(batch, heads, Tq, key_dim)`; Tq = 1 for a single query."""
        heads = project(clip_input(query), *self._query_projection, heads=self.num_heads)
        heads = ops.expand_dims(heads, -2) if is_single else ops.swapaxes(heads, -2, -3)
        return heads if self.rotary_base is None else rotate(heads, positions, self.rotary_base)

    def average_heads(self, weights: Tensor) -> Tensor:
        """Return the mean over the heads: `(batch, Tk)` or `(batch, Tq, Tk)`."""
        return ops.mean(weights, axis=1)

    def transform_output(self, context: Tensor, query: Tensor) -> Tensor:
        return project(context, *self._output_projection)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        shapes = split_shapes(input_shape)
        _check_rank(*shapes[:2])
        return broadcast_query_shape(*shapes)

    def compute_output_spec(
        self,
        inputs: Any,
        mask: Any = None,
        attention_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
        training: bool | None = None,
        attention_bias: Tensor | None = None,
    ) -> Any:
        query, value, key = split_inputs(inputs)
        _check_rank(query.shape, value.shape)
        shape = broadcast_query_shape(query.shape, value.shape, key.shape)
        output = keras.KerasTensor(shape, dtype=self.compute_dtype)
        batch, keys = shape[0], key.shape[-2]
        key = keras.KerasTensor((batch, *key.shape[1:]))
        self._build_masks(output, key, *split_masks(mask, inputs), attention_mask)  # to check them
        check_attention_bias(attention_bias, output, key, self.num_heads)
        if not return_attention_scores:
            return output
        scores_shape = (batch, self.num_heads, *shape[1:-1], keys)
        return output, keras.KerasTensor(scores_shape, dtype=self.compute_dtype)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "value_dim": self.value_dim,
            "num_key_value_heads": self.num_key_value_heads,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }


def _check_rank(query, value):
    """Raise a ValueError for an image or another input with more than one axis of positions."""
    if len(value) != 3:
        raise ValueError(
            "Expected `inputs` (batch, T, D). To attend over a whole image, reshape it to (batch, "
            "height * width, channels); to attend within each row, wrap the layer in "
            "`keras.layers.TimeDistributed` or reshape to (batch * height, width, channels). "
            f"Received: query {tuple(query)}, value {tuple(value)}"
        )


def _merge_heads(x):
    """`(batch, ..., heads, T, width)` -> `(batch, ..., T, heads * width)`."""
    *outer, heads, steps, width = ops.shape(x)
    return ops.reshape(ops.swapaxes(x, -2, -3), (*outer, steps, heads * width))
