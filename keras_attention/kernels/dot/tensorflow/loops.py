"""The loops over the blocks of all heads on TensorFlow, forward and backward."""

import tensorflow as tf

from keras_attention.kernels.dot.tensorflow.for_each import create_array, for_each_index
from keras_attention.kernels.dot.tensorflow.product import multiply
from keras_attention.kernels.dot.tensorflow.scores import ScoreSlicer
from keras_attention.kernels.dropout import keep_mask
from keras_attention.kernels.xla_context import is_compiled
from keras_attention.normalize.masked import MIN_VISIBLE_SCORE
from keras_attention.precision import score_dtype


class BlockLoops:
    """Computes attention and its gradients with the weights of one block at a time.

    Queries and contexts are split by `BlockSlicer.split_queries`, keys and values padded by
    `BlockSlicer.pad_keys`. The other arguments are those of `blockwise_attention`. Results are
    float32 (float64 is kept); the factors of products are rounded to the dtype of the inputs.
    """

    def __init__(self, slicer, seeds, rate, bias):
        self.slicer, self.rate, self.scores = slicer, rate, ScoreSlicer(slicer, bias)
        self.seeds = None if seeds is None else slicer.split_queries(seeds[..., None])
        # Under XLA it is faster to reuse the softmax normalizer in the backward pass; without XLA,
        # to leave the softmax to one operation.
        self.keeps_norm = is_compiled()

    def attend(self, query, key, value):
        """Return the context and, if needed, the numbers per row that `differentiate` uses.

        With `keeps_norm`, these are the maximum of the scores and the sum of the exponentials;
        else, with a bias, 1 if any key is visible and 0 if not; else there are none.
        """

        def attend_block(block, *arrays):
            keys, values = (self.slicer.slice_keys(x, block) for x in (key, value))
            results = self._attend_block(block, query[block.index], keys, values)
            return [a.write(block.index, x) for a, x in zip(arrays, results, strict=True)]

        size, shape = self.slicer.count, query.shape[1:-1]
        widths = [2] if self.keeps_norm else [] if self.scores.bias is None else [1]
        arrays = [
            create_array(_get_dtype(query), size, *shape, n) for n in (value.shape[1], *widths)
        ]
        return [array.stack() for array in self._for_each_block(attend_block, *arrays)]

    def differentiate(self, query, key, value, upstream, context, *norm):
        """Return the gradients of query, key, value and bias; `upstream` is the context's."""
        slicer, scores = self.slicer, self.scores

        def differentiate_block(block, grad_query, grad_keys, grad_bias):
            keys = (slicer.slice_keys(x, block) for x in (key, value))
            rows = (x[block.index] for x in (query, upstream, context, *norm))
            grads = self._differentiate_block(block, *keys, *rows)
            pairs = zip(grad_keys, grads[2:], strict=True)
            return (
                grad_query.write(block.index, grads[0]),
                [slicer.add_keys(array, x, block) for array, x in pairs],
                [scores.add_bias(array, grads[1], block) for array in grad_bias],
            )

        grad_query, grad_keys, grad_bias = self._for_each_block(
            differentiate_block,
            create_array(_get_dtype(query), slicer.count, *query.shape[1:]),
            [slicer.create_key_sums(_get_dtype(x), x.shape[1]) for x in (key, value)],
            [] if scores.bias is None else [scores.create_bias_sums()],
        )
        return [
            slicer.merge_queries(grad_query.stack()),
            *(slicer.merge_keys(array.stack()) for array in grad_keys),
            *(scores.merge_bias(array.stack()) for array in grad_bias),
        ]

    def _for_each_block(self, body, *state):
        for segment in self.slicer.layout.segments:

            def visit_head(head, *state, segment=segment):
                def visit_block(i, *state):
                    return body(self.slicer.find_block(segment, head, i), *state)

                # A separate loop over the blocks lets XLA slice the keys of a head only once.
                return for_each_index(segment.count, visit_block, *state)

            def visit(n, *state, segment=segment):
                block = self.slicer.find_block(segment, n // segment.count, n % segment.count)
                return body(block, *state)

            if is_compiled():
                state = for_each_index(self.slicer.head_count, visit_head, *state)
            else:
                # One loop is a smaller graph, which a session prepares in less time.
                state = for_each_index(self.slicer.head_count * segment.count, visit, *state)
        return state

    def _attend_block(self, block, query, key, value):
        scores = self._compute_scores(block, query, key)
        if not self.keeps_norm:
            weights = self._apply_dropout(tf.nn.softmax(scores), block)
            context = multiply(weights, value, value.dtype)
            if self.scores.bias is None:
                return (context,)
            peak = tf.reduce_max(scores, axis=-1, keepdims=True)
            is_visible = tf.cast(peak > MIN_VISIBLE_SCORE, context.dtype)
            return context * is_visible, is_visible
        # All weights of a row without a visible key are zero: its scores are far below.
        peak = tf.maximum(tf.reduce_max(scores, axis=-1, keepdims=True), MIN_VISIBLE_SCORE)
        weights = tf.exp(scores - peak)
        # The sum is at least 1 unless no key is visible.
        total = tf.maximum(tf.reduce_sum(weights, axis=-1, keepdims=True), 1)
        # Dividing the context instead of the weights saves a pass over the block.
        context = multiply(self._apply_dropout(weights, block), value, value.dtype) / total
        return context, tf.concat([peak, total], axis=-1)

    def _compute_scores(self, block, query, key):
        return self.scores.mask_scores(multiply(query, key, key.dtype, transpose_b=True), block)

    def _differentiate_block(self, block, key, value, query, upstream, context, norm=None):
        """Return the gradients of the query, the scores, and the transposed key and value."""
        scores = self._compute_scores(block, query, key)
        if self.keeps_norm:
            weights = tf.exp(scores - norm[..., :1]) * (1 / norm[..., 1:])
        else:
            weights = tf.nn.softmax(scores)
            upstream = upstream if norm is None else upstream * norm  # as in `_attend_block`
        grad_weights = multiply(upstream, value, value.dtype, transpose_b=True)
        # The mean of `grad_weights` under `weights`, without another pass over the block.
        mean = tf.reduce_sum(upstream * context, axis=-1, keepdims=True)
        grad_scores = weights * (self._apply_dropout(grad_weights, block) - mean)
        # Gradients of keys and values are transposed, `(width, columns)`: XLA takes three times as
        # long for a product whose large factor is transposed. Their sums must be transposed too, or
        # XLA undoes the transposition.
        weights = self._apply_dropout(weights, block)
        grad_value = multiply(upstream, weights, value.dtype, transpose_a=True)
        grad_key = multiply(query, grad_scores, key.dtype, transpose_a=True)
        return multiply(grad_scores, key, key.dtype), grad_scores, grad_key, grad_value

    def _apply_dropout(self, weights, block):
        """Zero the weights that dropout does not keep; the others are not scaled."""
        if self.seeds is None:
            return weights
        keys = self.scores.position_keys(block)
        keep = keep_mask(self.seeds[block.index][..., 0], keys, self.rate)
        return tf.where(keep, weights, tf.zeros((), weights.dtype))


def _get_dtype(x):
    return score_dtype(x.dtype.name)
