"""Examples that are generated from the specs of a signature, and tried on the model.

Unlike `made_up`, which has only the SignatureDef of a written file, this keeps to the limits in the
specs, and replaces examples that the model rejects.
"""

import itertools
from collections.abc import Iterator

import numpy as np

from keras_attention.export.printable import shorten_error
from keras_attention.export.requests.call import Call, run_in_python
from keras_attention.export.requests.values import make_array
from keras_attention.export.signatures.input_checks import collect_limits
from keras_attention.export.signatures.signature import Signature
from keras_attention.export.signatures.spec import BATCH, Spec

# Two different batch sizes and lengths, because one alone would not reveal a dimension that the
# export has fixed to its size.
BATCHES = (1, 3)
# The first pair that the model accepts is used. A table of positions may require shorter lengths, a
# convolution without padding longer ones. The longer ones are multiples of a power of two, as
# models that halve an image several times require.
LENGTHS = ((4, 7), (2, 3), (1, 2), (16, 24), (64, 96), (256, 288))
IDS = (1, 0)  # An embedding of one row has only the id 0.
MAX_ELEMENTS = 2**24  # of an array with longer lengths than the first pair


def generate_calls(signature: Signature) -> list[Call]:
    """Return a call for each of the two batch sizes, without running the model."""
    return _generate(signature, LENGTHS[0], IDS[0])


def replace_rejected_calls(calls: list[Call]) -> list[Call]:
    """Replace generated calls that the model rejects by calls with other sizes and ids.

    Args:
        calls: List of `Call`; those of one signature are next to each other.

    Returns:
        List of `Call`: the model accepts all that are generated.

    Raises:
        ValueError: If the model rejects all generated calls of a signature.
    """
    groups = itertools.groupby(calls, key=lambda call: call.signature.name)
    replaced = []
    for _, group in groups:
        group = list(group)
        replaced += _find_accepted(group[0].signature) if group[0].is_generated else group
    return replaced


def _find_accepted(signature: Signature) -> list[Call]:
    """Return the first generated calls that the model accepts."""
    errors = []  # pairs (shapes, error)
    for calls in _generate_candidates(signature):
        for call in calls:
            try:
                run_in_python(call)
            except Exception as error:  # A model raises errors of any class.
                errors.append((call.shapes, error))
                break
        else:
            return calls
    shapes, error = errors[0]
    raise ValueError(
        f"Expected `example` with {sorted(shapes)} for signature {signature.name!r}, because the "
        f"model fails in Python on all {len(errors)} generated ones. Received: example=None. The "
        f"error for inputs of shapes {shapes}: {shorten_error(error)}"
    ) from error


def _generate_candidates(signature: Signature) -> Iterator[list[Call]]:
    """Yield pairs of calls with different sizes or ids."""
    previous = []
    for lengths in LENGTHS:
        sizes = [_shape(signature, spec, 1, max(lengths)) for spec in signature.inputs]
        if lengths != LENGTHS[0] and max(map(np.prod, sizes), default=0) > MAX_ELEMENTS:
            continue
        for number in IDS:
            calls = _generate(signature, lengths, number)
            # Ids do not matter without integers, nor lengths if all sizes are known.
            content = [(call.shapes, _list_ids(call)) for call in calls]
            if content not in previous:
                previous.append(content)
                yield calls


def _list_ids(call: Call) -> list[int]:
    """Return the number that each array of integers is filled with."""
    arrays = [array for array in call.inputs.values() if array.dtype.kind in "iu"]
    return [int(array.max(initial=0)) for array in arrays]


def _generate(signature: Signature, lengths: tuple[int, int], number: int) -> list[Call]:
    """Return two calls with the values of `make_array`."""
    random = np.random.default_rng(0)
    return [
        Call(
            signature,
            {
                spec.name: _generate_array(signature, spec, batch, length, number, random)
                for spec in signature.inputs
            },
            is_generated=True,
        )
        for batch, length in zip(BATCHES, lengths, strict=True)
    ]


def _generate_array(
    signature: Signature,
    spec: Spec,
    batch: int,
    length: int,
    number: int,
    random: np.random.Generator,
) -> np.ndarray:
    """Return an array for one input."""
    dtype = spec.tensor_spec().dtype
    shape = _shape(signature, spec, batch, length)
    below = spec.below
    if isinstance(below, str):
        below = _size(signature, below, batch, length)
    number = number if below is None else min(number, below - 1)
    return make_array(dtype, shape, number, random)


def _shape(signature: Signature, spec: Spec, batch: int, length: int) -> list[int]:
    """Return the shape of an input."""
    return [_size(signature, size, batch, length) for size in spec.shape]


def _size(signature: Signature, size: int | str | None, batch: int, length: int) -> int:
    """Return a dimension's size, which is at most its limit."""
    if isinstance(size, int):
        return size
    generated = batch if size == BATCH else length
    limits = collect_limits(signature.inputs)
    return generated if size is None else min(generated, limits.get(size, generated))
