"""The loops over heads and blocks of queries on TensorFlow, forward and backward."""

import tensorflow as tf

from keras_attention.kernels.dot.tensorflow.bias_gradient import add_block, create_sums, merge_sums
from keras_attention.kernels.dot.tensorflow.for_each import create_array, for_each_index
from keras_attention.kernels.dot.tensorflow.slices import pad
from keras_attention.kernels.dropout import keep_mask
from keras_attention.kernels.xla_context import is_compiled
from keras_attention.mask import combine
from keras_attention.normalize.masked import LOWEST


class BlockLoops:
    """Computes attention and its gradients with the weights of one block at a time.

    Args:
        slicer: A `BlockSlicer`.
        seeds: Int32 `(batch, heads, Tq)`, the seeds of the dropout; or None.
        rate: Fraction of the weights to drop.
        bias: `(batch or 1, heads or 1, Tq or 1, Tk or 1)`, added to the scores; or None.
    """

    def __init__(self, slicer, seeds=None, rate=0.0, bias=None):
        self.slicer, self.layout, self.rate = slicer, slicer.layout, rate
        self.seeds = None if seeds is None else slicer.split_queries(seeds[..., None])
        self.bias = None if bias is None else slicer.pad_scores(bias)
        masks = _collect_masks(slicer.visible, has_bias=bias is not None)
        self.masks = [slicer.pad_scores(mask) for mask in masks]
        # Under XLA it is faster to reuse the softmax normalizer of the forward pass in the backward
        # pass; without XLA, to leave the softmax to one operation.
        self.keeps_norm = is_compiled()

    def attend(self, query, key, value):
        """Compute the context.

        Args:
            query: `(blocks, groups, rows, D)` of `split_queries`, scaled.
            key, value: `(batch * groups, Tk, width)` of `pad_keys`.

        Returns:
            Context `(blocks, groups, rows, Dv)`; and with `keeps_norm` the softmax normalizer
            `(blocks, groups, rows, 2)`: the maximum of the scores, the sum of the exponentials.
        """

        def attend_group(group, *arrays):
            for segment in self.layout.segments:

                def attend_block(i, *arrays, segment=segment):
                    block = self.slicer.find_block(segment, group, i)
                    results = self._attend_block(block, key, value, query[block.index])
                    pairs = zip(arrays, results, strict=True)
                    return tuple(array.write(block.index, x) for array, x in pairs)

                count = segment.count * self.slicer.shared_count
                arrays = for_each_index(count, attend_block, *arrays)
            return arrays

        size, widths = self.slicer.count, (value.shape[2], 2)[: 1 + self.keeps_norm]
        arrays = [create_array(query, size, *query.shape[1:3], width) for width in widths]
        arrays = for_each_index(self.slicer.group_count, attend_group, *arrays)
        return [array.stack() for array in arrays]

    def differentiate(self, query, key, value, upstream, context, *norm):
        """Compute the gradients, with the weights of each block computed anew.

        Args:
            query, key, value: As in `attend`.
            upstream: Gradient of the context, split as it is; zero where a query is fully masked.
            context, *norm: As `attend` returned them.

        Returns:
            Gradients of query, key and value, `(batch, heads or groups, length, width)`; and that
            of the bias, if there is one.
        """
        slicer, is_banded = self.slicer, self.layout.band is not None
        widths, length = (key.shape[2], value.shape[2]), key.shape[1] or tf.shape(key)[1]
        groups = slicer.block_groups

        def create_zeros(columns):
            return [tf.zeros((groups, width, columns), query.dtype) for width in widths]

        def differentiate_group(group, grad_query, grad_bias, grad_keys):
            sums = create_zeros(length)
            for segment in self.layout.segments:

                def differentiate_block(i, grad_query, grad_bias, grad_keys, segment=segment):
                    block = slicer.find_block(segment, group, i)
                    parts = (x[block.index] for x in (query, upstream, context, *norm))
                    grads = self._differentiate_block(block, key, value, *parts)
                    grad_query = grad_query.write(block.index, grads[0])
                    grad_bias = [
                        add_block(x, grads[1], self.bias, block, slicer) for x in grad_bias
                    ]
                    pairs = zip(grad_keys, grads[2:], strict=True)
                    if is_banded:
                        return grad_query, grad_bias, [x.write(block.index, y) for x, y in pairs]
                    return grad_query, grad_bias, [x + y for x, y in pairs]

                count = segment.count * slicer.shared_count
                if is_banded:
                    state = grad_query, grad_bias, grad_keys
                    return for_each_index(count, differentiate_block, *state)
                state = grad_query, grad_bias, create_zeros(segment.columns)
                *state, parts = for_each_index(count, differentiate_block, *state)
                grad_query, grad_bias = state
                margins = {2: (0, length - segment.columns)}
                sums = [x + pad(y, margins) for x, y in zip(sums, parts, strict=True)]
            pairs = zip(grad_keys, sums, strict=True)
            return grad_query, grad_bias, [x.write(group, y) for x, y in pairs]

        size, columns = slicer.group_count, length
        if is_banded:
            size, columns = slicer.count, self.layout.segments[0].columns
        state = (
            create_array(query, slicer.count, *query.shape[1:]),
            [] if self.bias is None else [create_sums(self.bias, slicer)],
            [create_array(query, size, groups, width, columns) for width in widths],
        )
        state = for_each_index(slicer.group_count, differentiate_group, *state)
        grad_query, grad_bias, grad_keys = tf.nest.map_structure(lambda x: x.stack(), state)
        return [
            slicer.merge_queries(grad_query),
            *(slicer.merge_keys(x) for x in grad_keys),
            *(merge_sums(x, self.bias, slicer) for x in grad_bias),
        ]

    def _attend_block(self, block, key, value, query):
        scores = self._compute_scores(block, key, query)
        values = self.slicer.slice_keys(value, block)
        if not self.keeps_norm:
            return (tf.matmul(self._apply_dropout(tf.nn.softmax(scores), block), values),)
        peak = tf.reduce_max(scores, axis=-1, keepdims=True)
        weights = tf.exp(scores - peak)
        # The sum is at least 1, unless there are no keys at all.
        total = tf.maximum(tf.reduce_sum(weights, axis=-1, keepdims=True), 1)
        # Dividing the context instead of the weights saves a pass over the block.
        context = tf.matmul(self._apply_dropout(weights, block), values) / total
        return context, tf.concat([peak, total], axis=-1)

    def _differentiate_block(self, block, key, value, query, upstream, context, norm=None):
        """Return the gradients of the query, the scores, and of the transposed key and value."""
        scores = self._compute_scores(block, key, query)
        key, value = (self.slicer.slice_keys(x, block) for x in (key, value))
        if norm is None:
            weights = tf.nn.softmax(scores)
        else:
            weights = tf.exp(scores - norm[..., :1]) * (1 / norm[..., 1:])
        grad_weights = tf.matmul(upstream, value, transpose_b=True)
        # The mean of `grad_weights` under `weights`, without another pass over the block.
        mean = tf.reduce_sum(upstream * context, axis=-1, keepdims=True)
        grad_scores = weights * (self._apply_dropout(grad_weights, block) - mean)
        # Gradients of keys and values are transposed, `(width, columns)`: XLA takes three times as
        # long for a product whose large factor is transposed. The sums of the loop must be
        # transposed too, or XLA turns the product around again.
        grad_value = tf.matmul(upstream, self._apply_dropout(weights, block), transpose_a=True)
        grad_key = tf.matmul(query, grad_scores, transpose_a=True)
        return tf.matmul(grad_scores, key), grad_scores, grad_key, grad_value

    def _compute_scores(self, block, key, query):
        """Compute the scores `(groups, rows, columns)`, the lowest where they are masked."""
        keys = self.slicer.slice_keys(key, block)
        scores = tf.matmul(query, keys, transpose_b=True)
        masks = [self.slicer.slice_scores(mask, block) for mask in self.masks]
        mask = combine(*masks, self.slicer.build_position_mask(block))
        if mask is None and self.bias is None:
            return scores
        shape = tf.shape(scores) if None in scores.shape else scores.shape
        scores = tf.reshape(scores, block.size)
        if self.bias is not None:
            scores = scores + self.slicer.slice_scores(self.bias, block)
        if mask is not None:
            scores = tf.where(mask, scores, tf.constant(LOWEST, scores.dtype))
        return tf.reshape(scores, shape)

    def _apply_dropout(self, weights, block):
        """Zero the weights that dropout does not keep; the others are not scaled."""
        if self.seeds is None:
            return weights
        seeds = self.seeds[block.index][..., 0]
        keep = keep_mask(seeds, self.slicer.position_keys(block), self.rate)
        return tf.where(keep, weights, tf.zeros((), weights.dtype))


def _collect_masks(visible, has_bias):
    """Return the masks `(batch or 1, 1, Tq or 1, Tk or 1)` that are tensors."""
    masks, pairs = [], visible.pairs
    if visible.key_mask is not None:
        masks.append(tf.convert_to_tensor(visible.key_mask)[:, None, None, :])
    if has_bias and visible.query_mask is not None:
        # In padded queries only the bias can be NaN: the caller zeroes the queries themselves.
        masks.append(tf.convert_to_tensor(visible.query_mask)[:, None, :, None])
    if pairs is not None:
        pairs = tf.convert_to_tensor(pairs)
        while len(pairs.shape) < 3:
            pairs = pairs[None]
        queries = 1 if pairs.shape[1] == 1 else visible.queries
        shape = tf.shape(pairs)[0], queries, visible.keys
        masks.append(tf.broadcast_to(pairs, shape)[:, None])
    return masks
