"""What all query/value layers are: score, mask, normalize, read, behind one call contract."""

from typing import Any, NamedTuple

import keras
from keras import ops, tree

from keras_attention import arguments
from keras_attention.base_layer import BaseLayer
from keras_attention.kernels.additive.attention import additive_attention
from keras_attention.kernels.additive.attention import supports as supports_additive
from keras_attention.kernels.additive.compare import compare, once_per_sequence
from keras_attention.kernels.dot.one_head import single_head_dot_attention
from keras_attention.kernels.dot.one_head import supports as supports_dot
from keras_attention.kernels.dropout import apply_dropout, row_seeds
from keras_attention.layers.call_arguments.inputs import (
    check_shapes,
    split_inputs,
    split_masks,
    split_shapes,
)
from keras_attention.layers.call_arguments.masks import build_structured_mask
from keras_attention.mask import combine, hide
from keras_attention.normalize import softmax
from keras_attention.precision import score_dtype, to_score_precision
from keras_attention.read import weighted_sum


class PreparedMemory(NamedTuple):
    """What an attention layer reads from, prepared once per sequence.

    keys: projected keys `(batch, Tk, any)`; values `(batch, Tk, Dv)`; mask: bool, broadcastable
    to `(batch, Tq, Tk)`, or None.
    """

    keys: Any
    values: Any
    mask: Any
    of_keys = None  # a `LoopMemory` has it


class LoopMemory(NamedTuple):
    """A `PreparedMemory` for a loop; of_keys: what is computed of the keys before the loop."""

    keys: Any
    values: Any
    mask: Any
    of_keys: Any


def for_loop(memory, score):
    """A `PreparedMemory` as a loop best reads it with this score."""
    of_keys = once_per_sequence(score, memory.keys)
    return memory if of_keys is None else LoopMemory(*memory, of_keys)


class QueryValueAttention(BaseLayer):
    """Abstract: the call contract of all query/value layers around a score and a normalizer.

    A final class chooses `score` and `normalize`, and may change how the values are read in `read`
    and what becomes of the context in `transform_output`. Loops over time call `prepare` and
    `sample_noise` once, `attend` at every step, and `add_sampling_loss` at the end; `call` is
    these in sequence.

    Args:
        score: A `keras_attention.score.Score`.
        normalize: A function `(scores, mask) -> weights`.
        dropout: Fraction of the weights to drop in training, in [0, 1).
        seed: Seed of the dropout, an int or None.
    """

    def __init__(self, score, normalize, dropout=0.0, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.score = score
        self.normalize = normalize
        self.dropout = arguments.rate("dropout", dropout)
        self.seed = seed
        self.drop = keras.layers.Dropout(
            self.dropout, seed=seed, dtype=score_dtype(self.compute_dtype)
        )
        self.supports_masking = True

    def build(self, input_shape):
        query_shape, value_shape, key_shape = split_shapes(input_shape)
        check_shapes(query_shape, value_shape, key_shape)
        if not self.score.built:  # it may be shared with another layer
            self.score.build(query_shape, key_shape)

    def call(
        self,
        inputs,
        mask=None,
        attention_mask=None,
        return_attention_scores=False,
        use_causal_mask=False,
        training=None,
    ):
        query, value, key = split_inputs(inputs)
        query_mask, key_mask = split_masks(mask, inputs)
        visible = build_structured_mask(
            query, key, query_mask, key_mask, attention_mask, use_causal_mask
        )
        query = hide(query, query_mask)
        given = query, key, value, visible
        if self._reads_in_blocks(query, key, value):
            output, weights = self._read_in_blocks(*given, training, return_attention_scores)
        elif self._reads_dots(query, key, value, training):
            output = self._read_dots(*given, training)
            weights = self._attend_all(*given)[1] if return_attention_scores else None
        else:
            output, weights, noise = self._attend_all(*given, training)
            if training:
                self.add_sampling_loss(weights, noise, query_mask)
        output = hide(output, query_mask)
        if return_attention_scores:
            return output, ops.cast(weights, self.compute_dtype)
        return output

    def prepare(self, value, key=None, mask=None):
        """Does once what does not depend on the query.

        Args:
            value: `(batch, Tk, Dv)`.
            key: `(batch, Tk, Dk)`, None = the value.
            mask: Bool, broadcastable to `(batch, Tq, Tk)`, True = may be seen; or None.

        Returns:
            A `PreparedMemory` for `attend`.
        """
        value = ops.cast(value, self.compute_dtype)  # integers come as they are
        key = value if key is None else ops.cast(key, self.compute_dtype)
        visible = combine(mask, self.score.covers(key))
        # A key that no query may see must not touch any number, be it NaN.
        seen = None if visible is None else ops.any(visible, axis=-2)
        keys = self.score.project_key(to_score_precision(hide(key, seen)))
        return PreparedMemory(keys, hide(value, seen), visible)

    def attend(self, query, memory, noise=None, positions=None):
        """Reads a prepared memory: score, mask, normalize, read.

        Args:
            query: `(batch, Tq, Dq)`, or `(batch, Dq)` for one query a sequence.
            memory: What `prepare` returned.
            noise: What `sample_noise` returned for these queries; None outside of training.
            positions: Each query's place in its sequence, int `(batch, Tq)`, or `(batch,)` for a
                single query; None counts from 0. Here it makes no difference.

        Returns:
            The layer's output `(batch, Tq, Dv)` and the weights `(batch, Tq, Tk)` before dropout,
            in float32 at least; both without `Tq` for a single query.
        """
        query = ops.cast(query, self.compute_dtype)
        is_single = len(query.shape) < len(memory.values.shape)
        asked = self._project_query(query, memory)
        if is_single:
            asked = ops.expand_dims(asked, -2)
            noise = tree.map_structure(lambda x: ops.expand_dims(x, -2), noise, none_is_leaf=False)
        scores = compare(self.score, asked, memory.keys, memory.of_keys)
        weights = self.normalize(scores, mask=memory.mask)
        context = self.read(weights, memory, noise)
        if is_single:
            context, weights = ops.squeeze(context, -2), ops.squeeze(weights, -2)
        return self.transform_output(context, query), weights

    def _project_query(self, query, memory):
        """Projected queries, `(batch, Tq, any)`, or `(batch, any)` of a single one each.

        A single query is projected before it gets an axis of its own: on TensorFlow a product of
        rank 3 and 2 has no gradient in an XLA loop whose sizes are unknown.
        """
        if memory.mask is not None:
            # A query that may see nothing must not touch any number.
            sees = ops.any(memory.mask, axis=-1)
            is_single = len(query.shape) < len(memory.values.shape)
            query = hide(query, sees[..., 0] if is_single else sees)
        return self.score.project_query(to_score_precision(query))

    def _attend_all(self, query, key, value, visible, training=False):
        """Output, weights, and what was drawn, by the steps that loops take."""
        memory = self.prepare(value, key, visible.dense())
        noise = self.sample_noise(query, memory) if training else None
        return *self.attend(query, memory, noise), noise

    def _keeps_steps(self):
        """Whether the steps are those of this class, so that a kernel may stand in for them."""
        steps = (
            "prepare",
            "sample_noise",
            "attend",
            "_project_query",
            "read",
            "add_sampling_loss",
            "average_heads",
        )
        return all(getattr(type(self), x) is getattr(QueryValueAttention, x) for x in steps)

    def _reads_dots(self, query, key, value, training):
        """Whether a kernel goes from dot products to contexts, with a block of weights at most."""
        if not self._keeps_steps():
            return False
        is_dropped = bool(training and self.dropout)
        return supports_dot(self.score, self.normalize, query, key, value, is_dropped)

    def _read_dots(self, query, key, value, visible, training):
        seeds = self._draw_seeds(query, training)
        query, key, value = (ops.cast(x, self.compute_dtype) for x in (query, key, value))
        context = single_head_dot_attention(
            self.score, query, key, value, visible, self.compute_dtype, seeds, self.dropout
        )
        return self.transform_output(context, query)

    def _reads_in_blocks(self, query, key, value):
        """Whether a kernel goes from additive scores to contexts, with a block between at most."""
        if not self._keeps_steps() or self.normalize is not softmax:
            return False
        return supports_additive(self.score, query, key, value)

    def _read_in_blocks(self, query, key, value, visible, training, return_weights):
        seeds = self._draw_seeds(query, training)
        query, key, value = (ops.cast(x, self.compute_dtype) for x in (query, key, value))
        seen = visible.key_is_visible()
        context, weights = additive_attention(
            self.score.project_query(
                to_score_precision(hide(query, visible.query_has_visible_key()))
            ),
            self.score.project_key(to_score_precision(hide(key, seen))),
            self.score.scale,
            hide(value, seen),
            visible,
            seeds,
            self.dropout,
            return_weights,
        )
        return self.transform_output(context, query), weights

    def _draw_seeds(self, query, training):
        """Seeds `(batch, ..., Tq)` that this class's `sample_noise` draws, or None."""
        noise = self.sample_noise(query, None) if training else None
        return None if noise is None else noise[..., 0]

    def read(self, weights, memory, noise=None):
        """Context `(batch, Tq, Dv)` of weights `(batch, Tq, Tk)`; noise: of `sample_noise`."""
        if noise is not None:
            weights = apply_dropout(weights, noise[..., 0], self.dropout)
        return weighted_sum(weights, memory.values)

    def transform_output(self, context, query):
        """What the layer makes of the context it has read; here: nothing."""
        return context

    def average_heads(self, weights):
        """One row of weights a query, for layers that tell what they read at each step."""
        return weights

    def add_sampling_loss(self, weights, noise, mask=None):
        """Called once a training call, outside of loops; here: nothing is to be said.

        Args:
            weights: All weights of the call, `(batch, Tq, Tk)`, or `(batch, Tk)`.
            noise: What `sample_noise` returned.
            mask: Bool `(batch, Tq)`, or `(batch,)`, True = a real query; or None.
        """
        return None

    def sample_noise(self, query, memory):
        """What is random in training, drawn ahead: inside a loop nothing can be drawn.

        Args:
            query: All queries to come, `(batch, Tq, any)` or `(batch, any)`: their shape counts.
            memory: What `prepare` returned.

        Returns:
            Nest of tensors `(batch, Tq, any)`, or `(batch, any)`; here a seed for each query,
            from which follows what is dropped of its weights, or None without dropout.
        """
        if not self.dropout:
            return None
        return row_seeds((*ops.shape(query)[:-1], 1), self.drop.seed_generator)

    def compute_mask(self, inputs, mask=None):
        query_mask, _ = split_masks(mask, inputs)
        return query_mask

    def compute_output_shape(self, input_shape):
        query_shape, value_shape, _ = split_shapes(input_shape)
        return (*query_shape[:-1], value_shape[-1])

    def compute_output_spec(
        self,
        inputs,
        mask=None,
        attention_mask=None,
        return_attention_scores=False,
        use_causal_mask=False,
        training=None,
    ):
        query, value, key = split_inputs(inputs)
        shape = self.compute_output_shape([query.shape, value.shape, key.shape])
        output = keras.KerasTensor(shape, dtype=self.compute_dtype)
        if not return_attention_scores:
            return output
        scores_shape = (*query.shape[:-1], key.shape[-2])
        return output, keras.KerasTensor(scores_shape, dtype=self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "dropout": self.dropout, "seed": self.seed}
