"""Blockwise dot-product attention on JAX, which never stores all weights, forward or backward."""

import dataclasses
import functools

import jax
from jax import lax, tree
from jax import numpy as jnp

from keras_attention.kernels import tuning
from keras_attention.kernels.dot.block_layout import layout, rows_per_block
from keras_attention.kernels.dot.jax.loops import BlockLoops
from keras_attention.mask import combine
from keras_attention.mask.structured_mask import StructuredMask


def blockwise_attention(query, key, value, visible, seeds=None, rate=0.0, bias=None, rows=None):
    """Compute as `keras_attention.kernels.dot.tensorflow.blockwise.blockwise_attention`."""
    (_, heads, queries, _), (_, groups, keys, _) = query.shape, key.shape
    if query.shape[-1] == 1:
        # XLA fuses a product of width 1 into the maximum and into the exponent, with different
        # roundings: large scores could all be far below their "maximum". Width 2 is not fused.
        query, key = (jnp.pad(x, [(0, 0), (0, 0), (0, 0), (0, 1)]) for x in (query, key))
    key_mask, pairs = visible.key_mask, visible.pairs
    if pairs is not None:
        pairs = jnp.asarray(pairs)
        pairs = jnp.reshape(pairs, (*[1] * (3 - pairs.ndim), *pairs.shape))
        pairs = jnp.broadcast_to(pairs, (*pairs.shape[:2], keys))
        if pairs.shape[1] == 1:  # A mask of keys, the same for all queries.
            key_mask, pairs = combine(key_mask, pairs[:, 0]), None
    masks = {"key_mask": key_mask, "pairs": pairs, "seeds": seeds}
    # The caller zeroes padded queries, but their bias may still be NaN.
    masks["query_mask"] = None if bias is None else visible.query_mask
    lengths = [n if isinstance(n, int) else tuning.DOT_ASSUMED_LENGTH for n in (queries, keys)]
    assumed = dataclasses.replace(visible, queries=lengths[0], keys=lengths[1])
    # One block holds all heads of a group.
    rows = rows or rows_per_block(assumed, heads // groups)
    return _attend((query, key, value, bias), masks, visible.causal, visible.window, rate, rows)


# `jit`, because JAX would compile a loop outside of it again at every call.
@functools.partial(jax.jit, static_argnums=(2, 3, 4, 5))
def _attend(arrays, masks, causal, window, rate, rows):
    (batch, heads, queries, _), (_, groups, keys, _) = (x.shape for x in arrays[:2])
    visible = StructuredMask(queries, keys, causal=causal, window=window)
    loops = BlockLoops(layout(visible, rows), visible, rate)
    (query, key, value, bias), masks = loops.pad(arrays, masks)
    query, bias, seeds = (_split_groups(x, groups) for x in (query, bias, masks.pop("seeds")))

    def attend_sequence(arrays, seeds, masks):
        masks = tree.map(lambda x: x[None], masks)  # shared by all groups
        return _map_first_axis(loops.attend, arrays, {"seeds": seeds, **masks})

    context = _map_first_axis(attend_sequence, (query, key, value, bias), seeds, masks)
    return jnp.reshape(context, (batch, heads, *context.shape[-2:]))[:, :, :queries]


def _split_groups(x, groups):
    """`(batch, heads or 1, ...)` -> `(batch, groups or 1, heads of a group or 1, ...)`."""
    if x is None:
        return None
    groups = min(groups, x.shape[1])
    return jnp.reshape(x, (x.shape[0], groups, x.shape[1] // groups, *x.shape[2:]))


def _map_first_axis(function, *arguments):
    """Map over the first axis of all arrays; arrays of size 1 there are shared."""
    leaves, structure = tree.flatten(arguments)
    # Not `size > 1`, which is undecidable for a symbolic dimension.
    is_mapped = [not isinstance(x.shape[0], int) or x.shape[0] != 1 for x in leaves]

    def call(mapped):
        mapped = iter(mapped)
        parts = [next(mapped) if own else x[0] for x, own in zip(leaves, is_mapped, strict=True)]
        return function(*tree.unflatten(structure, parts))

    mapped = [x for x, own in zip(leaves, is_mapped, strict=True) if own]
    if not mapped:
        return call(mapped)[None]
    # Computed one after the other, the blocks stay in a core's cache. A GPU has room for all of
    # them at once, and several devices can divide a `vmap` among themselves, but not a loop.
    is_parallel = jax.default_backend() != "cpu" or jax.device_count() > 1
    return jax.vmap(call)(mapped) if is_parallel else lax.map(call, mapped)
