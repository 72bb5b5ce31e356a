"""Attention rollout: the attention of several layers to the input, in one matrix."""

from collections.abc import Sequence

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.tensors import convert_argument
from keras_attention.types import Tensor


def rollout(weights: Sequence[Tensor], residual: float = 0.5) -> Tensor:
    """Trace the attention of a stack of self-attention layers back to the stack's input.

    Each layer mixes the positions of its input by its weights A, averaged over the heads, and adds
    the input itself, by a residual connection:

        M_l     = residual I + (1 - residual) mean_heads(A_l)
        rollout = M_L ... M_2 M_1

    Element (i, j) of the result is the share of input position j in output position i. This
    disregards what the values and the feed-forward networks do to the vectors.

    Args:
        weights: Attention weights `(batch, heads, T, T)` of each layer, the first layer's first, as
            layers return them with `return_attention_scores=True`.
        residual: Share of the residual connection, from 0 (none) to 1 (no attention).

    Returns:
        `(batch, T, T)`, float32, or float64 if any layer's weights are float64. Each row sums to 1,
        except for positions whose weights do not, such as masked ones.

    Raises:
        ValueError: If `weights` is empty, if a shape does not fit, or if `residual` is invalid.

    Example:
    >>> layers = [np.full((1, 2, 4, 4), 0.25, "float32")] * 3  # equal weights
    >>> keras_attention.explain.rollout(layers)[0].numpy()[0]
    array([0.34375, 0.21875, 0.21875, 0.21875], dtype=float32)

    Differs from the paper: it divides the rows by their sums; here they sum to 1 already.

    Reference:
        Quantifying Attention Flow in Transformers, Abnar and Zuidema (2020), equations 1 and 2,
        https://arxiv.org/abs/2005.00928.
    """
    residual = check_residual(residual)
    weights = check_weights(weights)
    dtypes = {keras.backend.standardize_dtype(layer_weights.dtype) for layer_weights in weights}
    dtype = "float64" if "float64" in dtypes else "float32"
    result = None
    for layer_weights in weights:
        attention = (1 - residual) * ops.mean(ops.cast(layer_weights, dtype), axis=1)
        if result is None:
            positions = ops.arange(ops.shape(attention)[-1], dtype="int32")
            identity = ops.cast(ops.equal(positions[:, None], positions), attention.dtype)
            result = attention + residual * identity
        else:
            result = ops.matmul(attention, result) + residual * result
    return result


def check_residual(residual):
    """Return the share of the residual connection as a float; raise a ValueError if invalid."""
    if not arguments.is_real(residual) or not 0 <= residual <= 1:
        raise ValueError(
            "Expected `residual` to be a number in the range [0, 1]. "
            f"Received: residual={residual!r}"
        )
    return float(residual)


def check_weights(weights):
    """Return the weights as a list of tensors; raise a ValueError if a shape does not fit."""
    if not isinstance(weights, list | tuple) or not weights:
        raise ValueError(
            "Expected `weights` to be a list of each layer's weights (batch, heads, T, T). "
            f"Received: weights of type {type(weights).__name__}"
        )
    weights = [convert_argument("weights", layer_weights) for layer_weights in weights]
    shapes = [tuple(layer_weights.shape) for layer_weights in weights]
    # The heads of different layers may differ in number.
    sizes = [{shape[axis] for shape in shapes if len(shape) == 4} for axis in (0, 2, 3)]
    batches, lengths = sizes[0] - {None}, (sizes[1] | sizes[2]) - {None}
    is_rank_four = all(len(shape) == 4 for shape in shapes)
    if not is_rank_four or len(batches) > 1 or len(lengths) > 1:
        raise ValueError(
            "Expected `weights` of the shape (batch, heads, T, T), with the same batch and T in "
            f"every layer. Received: weights of shapes {shapes}"
        )
    return weights
