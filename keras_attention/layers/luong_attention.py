"""Luong's global attention and attentional vector (Luong, Pham, Manning 2015)."""

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.layers.inputs import split_shapes
from keras_attention.layers.query_value import QueryValueAttention
from keras_attention.normalize import softmax
from keras_attention.precision import precise
from keras_attention.score import AdditiveScore, DotScore, GeneralScore, LocationScore

SCORES = ("dot", "general", "concat", "location")


@keras.saving.register_keras_serializable(package="keras_attention")
class LuongAttention(QueryValueAttention):
    """Luong's global attention with any of the paper's four scores.

    score: dot, general, concat or location; mask: padding, causal; normalize: softmax;
    read: weighted sum, then the attentional vector if `units` is given.

        dot:      score[i, j] = query_i . key_j
        general:  score[i, j] = query_i^T W key_j
        concat:   score[i, j] = v . tanh(W [query_i; key_j]),  v of the query's width
        location: score[i, j] = (W query_i)_j,  keys beyond `max_length` are never seen
        context_i  = sum_j softmax_j(score[i, j]) value_j
        with units: h~_i = tanh([context_i; query_i] Wc)

    Weights: `output_kernel` (Dv + Dq, units) if `units` is given, then those of the score.

    Args:
        score: "dot", "general", "concat" or "location".
        units: Width of the attentional vector h~ that is returned in the context's place; None
            returns the bare context.
        max_length: Number of positions that score="location" knows (S_max), required there and
            refused elsewhere.
        dropout: Fraction of the weights to drop in training, in [0, 1).
        seed: Seed of the dropout, an int or None.
        kernel_initializer: Initializer of all kernels. The paper draws from U(-0.1, 0.1).
        kernel_regularizer: Regularizer of all kernels.

    Call arguments:
        As in `keras_attention.Attention`: one tensor, `[query, value]` or `[query, value, key]`,
        with `mask`, `attention_mask`, `return_attention_scores`, `use_causal_mask`, `training`.
        With `units`, a query that may see nothing gives `tanh([0; query] Wc)`, and a query that
        is masked itself gives zeros.

    Returns:
        Context `(batch, Tq, Dv)`, or h~ `(batch, Tq, units)`, and with `return_attention_scores`
        the weights `(batch, Tq, Tk)`; all without `Tq` for a single query `(batch, Dq)`.

    Raises:
        ValueError: If an argument, a shape or a mask is not one of these.

    Example:
    >>> states, memory = np.ones((2, 3, 8), "float32"), np.ones((2, 5, 16), "float32")
    >>> keras_attention.LuongAttention(score="general", units=10)([states, memory]).shape
    TensorShape([2, 3, 10])

    Differs from the paper: `concat` has a full W, where the published figures fixed the keys'
    part of it to the identity (footnote 15). Differs from `keras.layers.Attention(score_mode=
    "concat")`, which sums tanh(query + key) without weights.

    Reference:
        Effective Approaches to Attention-based Neural Machine Translation, Luong, Pham, Manning
        (2015), section 3.1, https://arxiv.org/abs/1508.04025.
    """

    def __init__(
        self,
        score="general",
        units=None,
        max_length=None,
        dropout=0.0,
        seed=None,
        kernel_initializer="glorot_uniform",
        kernel_regularizer=None,
        **kwargs,
    ):
        arguments.one_of("score", score, SCORES)
        if score != "location" and max_length is not None:
            raise ValueError(
                f"Expected `max_length` with score='location' only. Received: score={score!r}, "
                f"max_length={max_length!r}"
            )
        common = {"dtype": kwargs.get("dtype"), "name": "score"}
        kernel = {
            "kernel_initializer": kernel_initializer,
            "kernel_regularizer": kernel_regularizer,
        }
        made = {
            "dot": lambda: DotScore(**common),
            "general": lambda: GeneralScore(**kernel, **common),
            "concat": lambda: AdditiveScore(**kernel, **common),
            "location": lambda: LocationScore(max_length, **kernel, **common),
        }[score]()
        super().__init__(score=made, normalize=softmax, dropout=dropout, seed=seed, **kwargs)
        self.score_name = score
        self.units = arguments.positive_integer("units", units, optional=True)
        self.max_length = max_length
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def build(self, input_shape):
        super().build(input_shape)
        if self.units is not None:
            (*_, query_width), (*_, value_width), _ = split_shapes(input_shape)
            self.output_kernel = self.add_weight(
                name="output_kernel",
                shape=(value_width + query_width, self.units),
                initializer=self.kernel_initializer,
                regularizer=self.kernel_regularizer,
                autocast=False,
            )

    def finish(self, context, query):
        if self.units is None:
            return context
        joined = ops.concatenate([precise(context), precise(query)], axis=-1)
        return ops.cast(ops.tanh(ops.matmul(joined, self.output_kernel)), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        shape = super().compute_output_shape(input_shape)
        return shape if self.units is None else (*shape[:-1], self.units)

    def get_config(self):
        return {
            **super().get_config(),
            "score": self.score_name,
            "units": self.units,
            "max_length": self.max_length,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
