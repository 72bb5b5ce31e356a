"""The inputs with which an export is tried and a server is warmed up."""

from typing import NamedTuple

import numpy as np

from keras_attention.export.checks.c_loader.arrays import as_array
from keras_attention.export.signatures.signature import Signature
from keras_attention.export.signatures.spec import BATCH

# Two batches and two lengths: a dimension that the export froze shows itself.
BATCHES_AND_LENGTHS = ((1, 4), (3, 7))


class Call(NamedTuple):
    """A signature and arrays for each of its inputs."""

    signature: Signature
    inputs: dict


def calls(signatures, example):
    """Pairs every signature with every example that has all of its inputs.

    Args:
        signatures: List of `Signature`.
        example: Dict of input name to array, or a list of such dicts, or None: made up from the
            specs.

    Returns:
        List of `Call`.
    """
    if example is None:
        return [Call(signature, row) for signature in signatures for row in _made(signature)]
    rows = [example] if isinstance(example, dict) else example
    if not isinstance(rows, list | tuple) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(
            "Expected `example` to be a dict of input name to array, or a list of such dicts. "
            f"Received: example={example!r}"
        )
    found, used = [], set()  # used: (number of the example, name)
    for signature in signatures:
        names = {spec.name for spec in signature.specs}
        fitting = [index for index, row in enumerate(rows) if names <= row.keys()]
        if not fitting:
            missing = [sorted(names - row.keys()) for row in rows]
            raise ValueError(
                f"Expected an example with the inputs {sorted(names)} for signature "
                f"{signature.name!r}. Received: {len(rows)} examples, in which are missing "
                f"{missing}"
            )
        for index in fitting:
            used |= {(index, name) for name in names}
            inputs = {spec.name: _as_spec(signature, spec, rows[index]) for spec in signature.specs}
            found.append(Call(signature, inputs))
    unused = sorted({(index, name) for index, row in enumerate(rows) for name in row} - used)
    if unused:
        raise ValueError(
            "Expected examples whose arrays are all inputs of a signature. "
            f"Received: of no use are (number of the example, name) {unused}"
        )
    return found


def _as_spec(signature, spec, row):
    """The row's array for this input, in its dtype; refuses what a server would refuse."""
    array = as_array(row[spec.name])
    wanted = spec.dtype.as_numpy_dtype
    fits = np.can_cast(array.dtype, wanted, casting="same_kind")
    fits = fits and (array.dtype == object) == (spec.dtype == "string")
    cast = array.astype(wanted) if fits else array
    is_rounded = array.dtype.kind in "iu" and not np.array_equal(cast, array)
    if not fits or is_rounded or not spec.shape.is_compatible_with(array.shape):
        raise ValueError(
            f"Expected input {spec.name!r} of signature {signature.name!r} to have shape "
            f"{spec.shape} and values of {spec.dtype.name}. "
            f"Received: shape={array.shape}, dtype={array.dtype}"
        )
    return cast


def _made(signature):
    """Two examples: ones for integers, small normals for floats, True, and "a"."""
    random = np.random.default_rng(0)
    for batch, length in BATCHES_AND_LENGTHS:
        inputs = {}
        for named, spec in zip(signature.inputs, signature.specs, strict=True):
            shape = [
                size if isinstance(size, int) else batch if size == BATCH else length
                for size in named.shape
            ]
            if spec.dtype.is_floating:
                array = 0.1 * random.standard_normal(shape)
            elif spec.dtype.is_integer or spec.dtype.is_bool:
                array = np.ones(shape)
            elif spec.dtype == "string":
                array = np.full(shape, b"a", object)
            else:
                raise ValueError(
                    f"Expected `example` with {spec.name!r} for signature {signature.name!r}: "
                    f"none can be made up. Received: dtype={spec.dtype.name}"
                )
            inputs[spec.name] = array.astype(spec.dtype.as_numpy_dtype)
        yield inputs
