"""Attention to long sequences as one function of a graph, shared by all layers of equal shapes."""

import weakref

import tensorflow as tf

from keras_attention.kernels.dot.attention import dot_attention
from keras_attention.mask.structured_mask import StructuredMask
from keras_attention.server_context import is_traced_for_server

_functions = weakref.WeakKeyDictionary()  # {outermost graph: {arguments: function}}


def call_dot_attention(query, key, value, mask, seeds=None, rate=0.0, bias=None):
    """Compute `dot_attention`, whose arguments these are, in a function that a graph calls.

    The sequences are long, which the caller has found at run time. The graph holds the loops over
    the blocks once, however many layers call them. For a server it is not inlined: a session then
    prepares it when the first long sequence arrives.
    """
    masks = {"query_mask": mask.query_mask, "key_mask": mask.key_mask, "pairs": mask.pairs}
    tensors = {"query": query, "key": key, "value": value, "seeds": seeds, "bias": bias, **masks}
    tensors = {name: tf.convert_to_tensor(x) for name, x in tensors.items() if x is not None}
    shapes = tuple((name, x.dtype, tuple(x.shape)) for name, x in tensors.items())
    options = mask.causal, mask.window, mask.queries is mask.keys, rate
    functions = _functions.setdefault(_get_outermost_graph(), {})
    if (shapes, options) not in functions:
        functions[shapes, options] = _make_function(*options)
    return functions[shapes, options].get_concrete_function(**tensors)(**tensors)


def _make_function(causal, window, is_square, rate):
    def attend(query, key, value, seeds=None, bias=None, **masks):
        keys = _get_length(key)
        queries = keys if is_square else _get_length(query)
        mask = StructuredMask(queries, keys, **masks, causal=causal, window=window)
        return dot_attention(query, key, value, mask, seeds, rate, bias, is_long=True)

    attributes = {"_noinline": True} if is_traced_for_server() else None
    return tf.function(attend, autograph=False, experimental_attributes=attributes)


def _get_outermost_graph():
    """Return the graph of the function that is traced, outside of branches and loops."""
    graph = tf.compat.v1.get_default_graph()
    while getattr(getattr(graph, "outer_graph", None), "outer_graph", None) is not None:
        graph = graph.outer_graph
    return graph


def _get_length(x):
    return tf.shape(x)[2] if x.shape[2] is None else x.shape[2]
