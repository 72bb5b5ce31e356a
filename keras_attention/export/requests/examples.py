"""Example inputs with which an export is checked and a server is warmed up."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from keras_attention.export.checks.c_loader.arrays import as_array
from keras_attention.export.signatures.signature import Signature
from keras_attention.export.signatures.spec import BATCH

# Two different batch sizes and lengths expose a dimension that the export has frozen.
BATCHES_AND_LENGTHS = ((1, 4), (3, 7))


class Call(NamedTuple):
    """A signature and an array for each of its inputs."""

    signature: Signature
    inputs: dict[str, np.ndarray]


def make_calls(
    signatures: Sequence[Signature],
    example: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None,
) -> list[Call]:
    """Pair every signature with every example that has all of its inputs.

    Args:
        signatures: List of `Signature`.
        example: Dict of input name to array, or a list of such dicts. With None, examples are
            generated from the specs.

    Returns:
        List of `Call`.
    """
    if example is None:
        return [
            Call(signature, inputs)
            for signature in signatures
            for inputs in _default_examples(signature)
        ]
    rows = [example] if isinstance(example, dict) else example
    if not isinstance(rows, list | tuple) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(
            "Expected `example` to be a dict of input name to array, or a list of such dicts. "
            f"Received: example={example!r}"
        )
    calls, used = [], set()  # `used` holds (number of the example, input name)
    for signature in signatures:
        names = {spec.name for spec in signature.specs}
        complete = [index for index, row in enumerate(rows) if names <= row.keys()]
        if not complete:
            missing = [sorted(names - row.keys()) for row in rows]
            raise ValueError(
                f"Expected an example with the inputs {sorted(names)} for signature "
                f"{signature.name!r}. Received: {len(rows)} examples, which lack {missing}"
            )
        for index in complete:
            used |= {(index, name) for name in names}
            inputs = {
                spec.name: _cast_to_spec(signature, spec, rows[index]) for spec in signature.specs
            }
            calls.append(Call(signature, inputs))
    unused = sorted({(index, name) for index, row in enumerate(rows) for name in row} - used)
    if unused:
        raise ValueError(
            "Expected examples whose arrays are all inputs of a signature. "
            f"Received: arrays that no signature takes, (number of the example, name) {unused}"
        )
    return calls


def _cast_to_spec(signature: Signature, spec, row: Mapping[str, Any]) -> np.ndarray:
    """Cast the row's array to the input's dtype; refuse an array that a server would refuse."""
    array = as_array(row[spec.name])
    dtype = spec.dtype.as_numpy_dtype
    fits = np.can_cast(array.dtype, dtype, casting="same_kind")
    fits = fits and (array.dtype == object) == (spec.dtype.name == "string")
    cast = array.astype(dtype) if fits else array
    is_rounded = array.dtype.kind in "iu" and not np.array_equal(cast, array)
    if not fits or is_rounded or not spec.shape.is_compatible_with(array.shape):
        raise ValueError(
            f"Expected input {spec.name!r} of signature {signature.name!r} to have shape "
            f"{spec.shape} and values of {spec.dtype.name}. "
            f"Received: shape={array.shape}, dtype={array.dtype}"
        )
    return cast


def _default_examples(signature: Signature) -> Iterator[dict[str, np.ndarray]]:
    """Yield two examples: ones for integers, small normals for floats, True, and "a"."""
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
            elif spec.dtype.name == "string":
                array = np.full(shape, b"a", object)
            else:
                raise ValueError(
                    f"Expected `example` with {spec.name!r} for signature {signature.name!r}: "
                    f"values of this dtype cannot be generated. Received: dtype={spec.dtype.name}"
                )
            inputs[spec.name] = array.astype(spec.dtype.as_numpy_dtype)
        yield inputs
