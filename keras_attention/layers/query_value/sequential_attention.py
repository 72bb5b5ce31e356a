"""Base class of the layers whose weights depend on the weights of the previous query."""

from typing import Any

from keras import ops, tree

from keras_attention.kernels.masked_scan import masked_scan
from keras_attention.kernels.prepared_memory import PreparedMemory
from keras_attention.layers.call_arguments.shapes import split_shapes
from keras_attention.layers.query_value.base import QueryValueAttention
from keras_attention.mask.structured_mask import as_structured_mask
from keras_attention.precision import score_dtype
from keras_attention.types import Nest, Tensor


class SequentialAttention(QueryValueAttention):
    """Abstract base class: attention whose queries are evaluated in order, as steps of a loop.

    A subclass defines `attend_step`, `initial_carry` and `carry_spec`. A call of the layer runs its
    queries as the steps of one loop; an `AttentionDecoder` runs one step for each of its own. If a
    query is masked or has no visible key, `attend_step` has to return the carry unchanged.
    """

    def build(self, input_shape: Any) -> None:
        _check_rank(split_shapes(input_shape)[1])
        super().build(input_shape)

    def prepare(
        self, value: Tensor, key: Tensor | None = None, mask: Any = None, for_steps: bool = False
    ) -> PreparedMemory:
        """Project the keys; see `QueryValueAttention.prepare`. `for_steps` changes nothing."""
        _check_rank(value.shape)
        return super().prepare(value, key, mask)

    def extend(
        self, memory: PreparedMemory, carry: Nest, value: Tensor, mask: Any = None
    ) -> tuple[PreparedMemory, Nest]:
        """Append values to a prepared memory, such as the next part of a stream.

        The previous weights of the appended keys are zero. If the memory had no visible key yet,
        the carry is the initial one of the extended memory. With the hard choice of
        `MonotonicAttention`, the weights so far are those of the extended memory, because keys
        after the chosen one have no effect.

        Args:
            memory: A `PreparedMemory` whose mask, if any, is `(batch, 1, Tk)`.
            carry: What the last step returned, or `initial_carry`.
            value: `(batch, n, Dv)`.
            mask: Bool `(batch, 1, n)`, True = visible, or None.

        Returns:
            A `PreparedMemory` of `Tk + n` keys, and its carry.
        """
        added = self.prepare(value, mask=mask)

        def append(old, new):
            return None if old is None else ops.concatenate([old, new], axis=-2)

        def extend_weights(weights, initial):
            shape = (ops.shape(weights)[0], ops.shape(added.values)[-2])
            extended = ops.concatenate([weights, ops.zeros(shape, weights.dtype)], axis=-1)
            has_started = ops.any(weights != 0, axis=-1, keepdims=True)
            return ops.where(has_started, extended, ops.cast(initial, weights.dtype))

        masks = None
        if memory.mask is not None or mask is not None:
            masks = ops.concatenate([_to_rows(memory), _to_rows(added)], axis=-1)
        keys = tree.map_structure(append, memory.keys, added.keys, none_is_leaf=False)
        extended = PreparedMemory(keys, append(memory.values, added.values), masks)
        return extended, tree.map_structure(extend_weights, carry, self.initial_carry(extended))

    def attend(
        self,
        query: Tensor,
        memory: PreparedMemory,
        noise: Nest = None,
        positions: Tensor | None = None,
        return_weights: bool = True,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend with all queries in order, from `initial_carry` on; see `QueryValueAttention`."""
        carry = self.initial_carry(memory)
        if len(query.shape) < len(memory.values.shape):
            output, weights, _ = self.attend_step(query, memory, carry, noise, positions)
            return output, weights if return_weights else None
        batch, queries, _ = ops.shape(query)
        keys, width = ops.shape(memory.values)[-2:]
        weights_dtype = score_dtype(self.compute_dtype)
        if query.shape[-2] == 0:  # a loop needs a step
            context = ops.zeros((batch, 0, width), self.compute_dtype)
            weights = ops.zeros((batch, 0, keys), weights_dtype)
            return self.transform_output(context, query), weights if return_weights else None
        rows = as_structured_mask(memory.mask, queries, keys).dense()
        if rows is not None:
            rows = ops.broadcast_to(rows, (batch, queries, keys))

        def step(carry, query, row, noise, position):
            step_mask = None if row is None else ops.expand_dims(row, -2)
            step_memory = memory._replace(mask=step_mask)
            output, weights, carry = self.attend_step(query, step_memory, carry, noise, position)
            return (output, ops.cast(weights, weights_dtype)), carry

        dtypes = [self.compute_dtype, weights_dtype]
        sequences = [ops.cast(query, self.compute_dtype), rows, noise, positions]
        (outputs, weights), _ = masked_scan(step, carry, sequences, None, dtypes)
        return outputs, weights if return_weights else None

    def attend_step(
        self,
        query: Tensor,
        memory: PreparedMemory,
        carry: Nest,
        noise: Nest = None,
        positions: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Nest]:
        raise NotImplementedError(f"{type(self).__name__} has no `attend_step`")


def _to_rows(memory):
    """Return the mask of a memory as `(batch, 1, Tk)`."""
    batch, keys, _ = ops.shape(memory.values)
    return ops.broadcast_to(True if memory.mask is None else memory.mask, (batch, 1, keys))


def _check_rank(shape):
    if len(shape) != 3:
        raise ValueError(
            "Expected a value (batch, Tk, Dv), because each sequence of queries is a loop. For "
            "further batch axes, reshape them into one. "
            f"Received: a value of shape {tuple(shape)}"
        )
