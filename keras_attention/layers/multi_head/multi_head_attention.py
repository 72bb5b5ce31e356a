"""Multi-head attention between two sequences (Vaswani et al. 2017)."""

import keras
from keras import ops, tree

from keras_attention import arguments
from keras_attention.kernels.dot.attention import can_run_blockwise, dot_attention
from keras_attention.kernels.dot.one_head import is_dot
from keras_attention.kernels.dropout import apply_dropout, row_seeds
from keras_attention.layers.call_arguments.attention_bias import (
    check_attention_bias,
    prepare_attention_bias,
)
from keras_attention.layers.call_arguments.inputs import (
    check_shapes,
    split_inputs,
    split_masks,
    split_shapes,
)
from keras_attention.layers.call_arguments.masks import build_structured_mask
from keras_attention.layers.multi_head.heads import merge_heads, regroup, split_heads
from keras_attention.layers.multi_head.projection import add_projection, project
from keras_attention.layers.query_value.base import PreparedMemory, QueryValueAttention
from keras_attention.mask import hide
from keras_attention.mask.structured_mask import as_structured_mask
from keras_attention.normalize import softmax
from keras_attention.precision import score_dtype, to_score_precision
from keras_attention.read import weighted_sum
from keras_attention.score import DotScore
from keras_attention.score.score import IMPLEMENTATIONS


@keras.saving.register_keras_serializable(package="keras_attention")
class MultiHeadAttention(QueryValueAttention):
    """Several attentions at once, each in a projection of its own.

    score: scaled dot per head; mask: padding, causal; normalize: softmax; read: weighted sum,
    merge heads.

        score_h[i, j] = (query_i Wq_h) . (key_j Wk_h) / sqrt(key_dim) + attention_bias_h[i, j]
        context_h[i]  = sum_j softmax_j(score_h[i, j]) value_j Wv_h             (equation 1)
        output_i      = [context_1[i]; ...; context_heads[i]] Wo

    With `num_key_value_heads` below `num_heads`, as many consecutive heads share their keys and
    values, which are not copied for that: grouped-query attention, or with 1 multi-query.

    Weights, each kernel followed by its bias with `use_bias`: `query_kernel`
    (Dq, num_heads * key_dim), `key_kernel` (Dk, num_key_value_heads * key_dim), `value_kernel`
    (Dv, num_key_value_heads * value_dim), `output_kernel` (num_heads * value_dim, Dq). Head after
    head, as `keras_attention.multi_head_from_keras` wants it.

    Args:
        num_heads: Number of heads.
        key_dim: Width of each head's queries and keys; None = Dq / num_heads, as in the paper.
        value_dim: Width of each head's values; None = `key_dim`.
        num_key_value_heads: How many heads have keys and values of their own, a divisor of
            `num_heads`; None = all of them.
        dropout: Fraction of the weights to drop in training, in [0, 1).
        use_bias: Whether every projection adds a bias.
        seed: Seed of the dropout, an int or None.
        kernel_initializer: Initializer of the four kernels.
        bias_initializer: Initializer of the biases.
        kernel_regularizer: Regularizer of the four kernels.
        implementation: "plain" makes the table of all weights. "blockwise" gives the same numbers
            to rounding without it, block by block on TensorFlow and JAX. Where there is neither
            dropout nor an `attention_bias`, PyTorch's fused attention does it, and that of JAX's
            GPUs in half precision; with them, PyTorch makes the table. "auto" does so from 512
            queries and keys on, where it is faster in graphs. Weights that are asked for are
            computed anew, in a table of their own. A gradient of a gradient under XLA on
            TensorFlow, or on PyTorch, and `jax.jvp` need "plain".

    Call arguments:
        inputs, mask, attention_mask, return_attention_scores, use_causal_mask, training: As in
            `keras_attention.Attention`: one tensor, `[query, value]` or `[query, value, key]`.
        attention_bias: Float, broadcastable to `(batch, num_heads, Tq, Tk)` (to `(batch, num_heads,
            Tk)` for a single query), such as ALiBi's or T5's relative positions; None adds nothing.
            Its gradient has its own shape, and what masks hide of it may be anything.

    Returns:
        Output `(batch, Tq, Dq)`, zero where a query may see nothing (no bias is added there), and
        with `return_attention_scores` the weights `(batch, num_heads, Tq, Tk)`; both without `Tq`
        for a single query `(batch, Dq)`.

    Raises:
        ValueError: If an argument, a shape or a mask is not one of these.

    Example:
    >>> query, value = np.ones((2, 3, 8), "float32"), np.ones((2, 5, 6), "float32")
    >>> layer = keras_attention.MultiHeadAttention(num_heads=4, key_dim=2)
    >>> output, weights = layer([query, value], return_attention_scores=True)
    >>> output.shape, weights.shape
    (TensorShape([2, 3, 8]), TensorShape([2, 4, 3, 5]))

    Differs from the paper: biases, which it does not speak of, are on by default as in Keras.
    Differs from `keras.layers.MultiHeadAttention`: the inputs come as a list, value before key;
    its initial kernels are larger or smaller, as it takes the three axes of its kernels for a
    convolution's; a query that may see nothing gives zeros.

    Reference:
        Attention Is All You Need, Vaswani et al. (2017), section 3.2,
        https://arxiv.org/abs/1706.03762; groups: GQA, Ainslie et al. (2023), section 2.2,
        https://arxiv.org/abs/2305.13245.
    """

    def __init__(
        self,
        num_heads,
        key_dim=None,
        value_dim=None,
        num_key_value_heads=None,
        dropout=0.0,
        use_bias=True,
        seed=None,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        implementation="auto",
        **kwargs,
    ):
        score = DotScore(scaled=True, dtype=kwargs.get("dtype"), name="score")
        super().__init__(score=score, normalize=softmax, dropout=dropout, seed=seed, **kwargs)
        self.autocast = False  # else Keras would round a bias of scores to the compute dtype
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
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.implementation = arguments.one_of("implementation", implementation, IMPLEMENTATIONS)
        self._groups = self.num_key_value_heads or self.num_heads

    def build(self, input_shape):
        query_shape, value_shape, key_shape = split_shapes(input_shape)
        check_shapes(query_shape, value_shape, key_shape)
        width = query_shape[-1]
        if self.key_dim is None and width % self.num_heads:
            raise ValueError(
                "Expected a `key_dim`, or a query whose width is a multiple of `num_heads`. "
                f"Received: num_heads={self.num_heads}, query {query_shape}"
            )
        self._key_dim = self.key_dim or width // self.num_heads
        self._value_dim = self.value_dim or self._key_dim
        self.score.build((None, self._key_dim), (None, self._key_dim))
        asked, read = self.num_heads * self._key_dim, self.num_heads * self._value_dim
        keys, values = self._groups * self._key_dim, self._groups * self._value_dim
        self._query_projection = add_projection(self, "query", width, asked)
        self._key_projection = add_projection(self, "key", key_shape[-1], keys)
        self._value_projection = add_projection(self, "value", value_shape[-1], values)
        self._output_projection = add_projection(self, "output", read, width)

    def call(
        self,
        inputs,
        mask=None,
        attention_mask=None,
        return_attention_scores=False,
        use_causal_mask=False,
        training=None,
        attention_bias=None,
    ):
        query, value, key = split_inputs(inputs)
        bias = self._bias(attention_bias, query, key)
        query_mask, key_mask = split_masks(mask, inputs)
        visible = self.build_mask(query, key, query_mask, key_mask, attention_mask, use_causal_mask)
        query = hide(query, query_mask)
        memory = self.prepare(value, key, visible)
        noise = self.sample_noise(query, memory) if training else None
        output, weights = self.attend(
            query, memory, noise, return_weights=return_attention_scores, bias=bias
        )
        output = hide(output, query_mask)
        if return_attention_scores:
            return output, ops.cast(weights, self.compute_dtype)
        return output

    def build_mask(self, query, key, query_mask, key_mask, attention_mask, use_causal_mask):
        """The masks of a call, checked and not yet joined: a `Visible`."""
        return build_structured_mask(
            query, key, query_mask, key_mask, attention_mask, use_causal_mask
        )

    def _bias(self, bias, query, keys):
        return prepare_attention_bias(
            bias, query, keys, self.num_heads, score_dtype(self.compute_dtype)
        )

    def prepare(self, value, key=None, mask=None):
        """As in the base; mask: also a `Visible`."""
        is_both = key is None or key is value
        seen = as_structured_mask(mask, None, ops.shape(value)[-2]).key_is_visible()
        value = to_score_precision(hide(ops.cast(value, self.compute_dtype), seen))
        key = (
            value if is_both else to_score_precision(hide(ops.cast(key, self.compute_dtype), seen))
        )
        keys = project(key, *self._key_projection)
        values = project(value, *self._value_projection)
        return PreparedMemory(
            split_heads(keys, self._groups), split_heads(values, self._groups), mask
        )

    def attend(self, query, memory, noise=None, positions=None, return_weights=True, bias=None):
        """As in the base.

        return_weights: False = None in their place, which can save them; bias: from
        `prepare_attention_bias`.
        """
        query = ops.cast(query, self.compute_dtype)
        is_single = len(query.shape) < len(memory.keys.shape) - 1
        queries = 1 if is_single else ops.shape(query)[-2]
        visible = as_structured_mask(memory.mask, queries, ops.shape(memory.keys)[-2])
        sees, seen = visible.query_has_visible_key(), visible.key_is_visible()
        if seen is not None:
            # `prepare` hid what its mask hid; a window or a cache may have hidden more since.
            seen = ops.expand_dims(seen, -2)
            memory = memory._replace(keys=hide(memory.keys, seen), values=hide(memory.values, seen))
        if sees is not None and is_single:
            sees = sees[..., 0]
        # As in the base, a single query is projected before it gets an axis of its own.
        asked = project(to_score_precision(hide(query, sees)), *self._query_projection)
        if is_single:
            asked = ops.expand_dims(asked, -2)
            noise = tree.map_structure(lambda x: ops.expand_dims(x, -2), noise, none_is_leaf=False)
        asked = self.score.project_query(
            self.apply_rotary(split_heads(asked, self.num_heads), positions)
        )
        without_table = self._is_softmax_of_dots() and can_run_blockwise(
            asked,
            memory.keys,
            memory.values,
            self.implementation,
            apply_dropout=noise is not None,
            biased=bias is not None,
        )
        weights = None
        if return_weights or not without_table:
            scores = self.score.compare(regroup(asked, self._groups), memory.keys)
            scores = regroup(scores, self.num_heads)
            scores = scores if bias is None else scores + bias
            table = visible.dense()
            table = None if table is None else ops.expand_dims(table, -3)
            weights = self.normalize(scores, mask=table)
        if without_table:
            context = self.read_blockwise(asked, memory, visible, noise, bias)
        else:
            context = self.read(weights, memory, noise)
        if is_single:
            context = ops.squeeze(context, -2)
            weights = None if weights is None else ops.squeeze(weights, -2)
        return hide(
            self.transform_output(context, query), sees
        ), weights if return_weights else None

    def _is_softmax_of_dots(self):
        """Whether this is what a kernel computes: a subclass may score, normalize, read its way."""
        reads = type(self).read is MultiHeadAttention.read
        return reads and self.normalize is softmax and is_dot(self.score)

    def apply_rotary(self, heads, positions):
        """Marks projected queries `(batch, heads, T, key_dim)` with their positions; here: not."""
        return heads

    def read(self, weights, memory, noise=None):
        """Context `(batch, Tq, num_heads * value_dim)` of weights `(batch, num_heads, Tq, Tk)`."""
        if noise is not None:
            weights = apply_dropout(weights, ops.swapaxes(noise, -1, -2), self.dropout)
        context = weighted_sum(regroup(weights, self._groups), memory.values)
        return merge_heads(regroup(context, self.num_heads))

    def read_blockwise(self, asked, memory, visible, noise=None, bias=None):
        """The same of projected queries, without weights."""
        return merge_heads(
            dot_attention(
                asked,
                memory.keys,
                memory.values,
                visible,
                None if noise is None else ops.swapaxes(noise, -1, -2),
                self.dropout,
                self.implementation,
                self.compute_dtype,
                bias,
            )
        )

    def average_heads(self, weights):
        """The mean over the heads: `(batch, Tk)` or `(batch, Tq, Tk)`."""
        return ops.mean(weights, axis=1)

    def transform_output(self, context, query):
        return ops.cast(project(context, *self._output_projection), self.compute_dtype)

    def sample_noise(self, query, memory):
        """A seed for each query and head, from which follows what is dropped of its weights."""
        if not self.dropout:
            return None
        return row_seeds((*ops.shape(query)[:-1], self.num_heads), self.drop.seed_generator)

    def compute_output_shape(self, input_shape):
        query_shape, *_ = split_shapes(input_shape)
        return query_shape

    def compute_output_spec(
        self,
        inputs,
        mask=None,
        attention_mask=None,
        return_attention_scores=False,
        use_causal_mask=False,
        training=None,
        attention_bias=None,
    ):
        query, _, key = split_inputs(inputs)
        check_attention_bias(attention_bias, query, key, self.num_heads)
        output = keras.KerasTensor(query.shape, dtype=self.compute_dtype)
        if not return_attention_scores:
            return output
        *outer, keys, _ = key.shape
        queries = query.shape[len(outer) : -1]
        scores_shape = (*outer, self.num_heads, *queries, keys)
        return output, keras.KerasTensor(scores_shape, dtype=self.compute_dtype)

    def get_config(self):
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
            "implementation": self.implementation,
        }
