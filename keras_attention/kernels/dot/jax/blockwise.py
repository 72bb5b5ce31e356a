"""Attention block by block on JAX: no table of all weights, forward or backward."""

import functools

import jax
from jax import lax, tree
from jax import numpy as jnp

from keras_attention.kernels.dot.block_layout import SCORES, layout
from keras_attention.kernels.dot.jax.loops import Blocks
from keras_attention.mask import combine
from keras_attention.mask.structured_mask import StructuredMask


def blockwise_attention(query, key, value, visible, seeds=None, rate=0.0, bias=None, rows=None):
    """As `keras_attention.kernels.dot.tensorflow.blockwise.blockwise_attention`."""
    (_, heads, _, _), (_, groups, keys, _) = query.shape, key.shape
    key_mask, pairs = visible.key_mask, visible.pairs
    if pairs is not None:
        pairs = jnp.asarray(pairs)
        pairs = jnp.reshape(pairs, (*[1] * (3 - pairs.ndim), *pairs.shape))
        pairs = jnp.broadcast_to(pairs, (*pairs.shape[:2], keys))
        if pairs.shape[1] == 1:  # the same keys for all queries
            key_mask, pairs = combine(key_mask, pairs[:, 0]), None
    given = {"key_mask": key_mask, "pairs": pairs, "seeds": seeds}
    # Of a query that is none the bias alone may be NaN.
    given["query_mask"] = None if bias is None else visible.query_mask
    rows = rows or _rows(layout(visible), heads // groups)
    return _attention((query, key, value, bias), given, visible.causal, visible.window, rate, rows)


def _rows(plan, shared):
    """Queries of a block: fewer than on TensorFlow where `shared` heads are worked on together.

    There, too, many keys are cut in pieces, which they are not here.
    """
    known = [s.columns for s in plan.segments if isinstance(s.columns, int)]
    return min([plan.rows, *(max(SCORES // (columns * shared), 32) for columns in known)])


# Compiled as a whole: JAX compiles a loop that stands alone anew at every call.
@functools.partial(jax.jit, static_argnums=(2, 3, 4, 5))
def _attention(arrays, given, causal, window, rate, rows):
    (batch, heads, queries, _), (_, groups, keys, _) = (x.shape for x in arrays[:2])
    visible = StructuredMask(queries, keys, causal=causal, window=window)
    blocks = Blocks(layout(visible, rows), visible, rate)
    (query, key, value, bias), given = blocks.padded(arrays, given)
    query, bias, seeds = (_in_groups(x, groups) for x in (query, bias, given.pop("seeds")))

    def of_sequence(arrays, seeds, masks):
        masks = tree.map(lambda x: x[None], masks)  # of all groups
        return _each(blocks.attend, arrays, {"seeds": seeds, **masks})

    context = _each(of_sequence, (query, key, value, bias), seeds, given)
    return jnp.reshape(context, (batch, heads, *context.shape[-2:]))[:, :, :queries]


def _in_groups(x, groups):
    """`(batch, heads or 1, ...)` -> `(batch, groups or 1, heads of a group or 1, ...)`."""
    if x is None:
        return None
    groups = min(groups, x.shape[1])
    return jnp.reshape(x, (x.shape[0], groups, x.shape[1] // groups, *x.shape[2:]))


def _each(function, *given):
    """Results for each along the first axis of what is given; what has one there goes for all."""
    leaves, structure = tree.flatten(given)
    # Not `size > 1`: a size may be a symbol, of which that is not known.
    is_own = [not isinstance(x.shape[0], int) or x.shape[0] != 1 for x in leaves]

    def one(own):
        own = iter(own)
        parts = [next(own) if mine else x[0] for x, mine in zip(leaves, is_own, strict=True)]
        return function(*tree.unflatten(structure, parts))

    own = [x for x, mine in zip(leaves, is_own, strict=True) if mine]
    if not own:
        return one(own)[None]
    # One after the other stays in a core's reach; a GPU has room for all, and several devices have
    # a share of them each.
    at_once = jax.default_backend() != "cpu" or jax.device_count() > 1
    return jax.vmap(one)(own) if at_once else lax.map(one, own)
