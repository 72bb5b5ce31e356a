"""Requests made up from a signature alone, for a SavedModel without warm-up requests.

Unlike `generated`, which has the specs of a signature and a model to try requests on, this has only
the SignatureDef of a written file, perhaps by another program.
"""

from collections.abc import Iterator

import numpy as np

from keras_attention.export.requests.values import make_array
from keras_attention.export.signatures.dtypes import DTYPES

BATCH = 2
LENGTHS_AND_IDS = ((4, 1), (32, 0))  # Some models refuse short sequences, and some the id 1.


def make_up_requests(signature) -> Iterator[dict[str, np.ndarray]]:
    """Yield requests with plausible shapes and values, which may nevertheless not fit the model.

    Args:
        signature: SignatureDef.

    Yields:
        Dict of input name to array; nothing if an input has a dtype that the loader cannot send.
    """
    import tensorflow as tf

    dtypes = {name: tf.as_dtype(info.dtype) for name, info in signature.inputs.items()}
    if not all(dtype.name in DTYPES for dtype in dtypes.values()):
        return
    for length, number in LENGTHS_AND_IDS:
        yield {
            name: make_array(
                dtypes[name], _make_shape(info, length), number, np.random.default_rng(0)
            )
            for name, info in signature.inputs.items()
        }


def _make_shape(info, length: int) -> list[int]:
    """Return a shape for one TensorInfo."""
    sizes = [dim.size for dim in info.tensor_shape.dim]
    if info.tensor_shape.unknown_rank:
        sizes = [-1]
    shape = [length if size < 0 else size for size in sizes]
    if sizes and sizes[0] < 0:
        shape[0] = BATCH
    return shape
