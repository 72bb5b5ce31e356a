"""Shapes of query, value and key, for `build` and `compute_output_shape`."""

from keras_attention.batch_axes import join_batch
from keras_attention.layers.call_arguments.inputs import INPUT_FORMS, check_shapes


def split_shapes(input_shape):
    """Return the shapes of query, value and key for the shape or shapes passed to `build`."""
    if not isinstance(input_shape, (list, tuple)) or not input_shape:
        raise ValueError(f"Expected `inputs` to be {INPUT_FORMS}. Received: shapes {input_shape}")
    if not isinstance(input_shape[0], (list, tuple)):
        input_shape = [input_shape, input_shape]
    if len(input_shape) not in (2, 3) or None in input_shape:
        raise ValueError(f"Expected `inputs` to be {INPUT_FORMS}. Received: shapes {input_shape}")
    return [tuple(shape) for shape in (*input_shape, input_shape[1])[:3]]


def broadcast_query_shape(query, value, key):
    """Return the query's shape after the batch axes of query, value and key are broadcast."""
    check_shapes(query, value, key)
    axes = len(value) - 2
    batch = join_batch(*(tuple(shape)[:axes] for shape in (query, value, key)))
    return (*batch, *query[axes:])
