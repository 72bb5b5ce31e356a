"""Pair the signatures with the user's examples, or with generated ones."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_attention.export.checks.c_loader.arrays import as_array
from keras_attention.export.requests.call import Call
from keras_attention.export.requests.generated import generate_calls
from keras_attention.export.signatures.signature import Signature


def make_calls(
    signatures: Sequence[Signature],
    example: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None,
) -> list[Call]:
    """Pair every signature with every example that has all of its inputs.

    Args:
        signatures: List of `Signature`.
        example: Dict of input name to array, or a list of such dicts. Examples are generated from
            the specs for signatures that have none, and for all signatures with None.

    Returns:
        List of `Call`; those of one signature are next to each other.
    """
    examples = [example] if isinstance(example, dict) else [] if example is None else example
    if not isinstance(examples, list | tuple) or not all(isinstance(x, dict) for x in examples):
        raise ValueError(
            "Expected `example` to be a dict of input name to array, or a list of such dicts. "
            f"Received: example={example!r}"
        )
    calls = []
    for signature in signatures:
        names = {spec.name for spec in signature.inputs}
        complete = [arrays for arrays in examples if names <= arrays.keys()]
        calls += [_make_call(signature, arrays) for arrays in complete]
        if not complete:
            calls += generate_calls(signature)
    if example is not None:
        _check_that_all_are_used(signatures, examples)
    return calls


def _make_call(signature: Signature, arrays: Mapping[str, Any]) -> Call:
    """Return the call of a signature with its inputs from one of the user's examples."""
    inputs = {
        spec.name: _cast_to_spec(signature, spec, arrays[spec.name]) for spec in signature.specs
    }
    return Call(signature, inputs)


def _check_that_all_are_used(
    signatures: Sequence[Signature], examples: Sequence[Mapping[str, Any]]
) -> None:
    """Raise a ValueError if an example, or an array of it, is of no use for any signature."""
    inputs = {signature.name: {spec.name for spec in signature.inputs} for signature in signatures}
    unused = set()  # pairs (index of the example, input name)
    for index, arrays in enumerate(examples):
        used = {name for names in inputs.values() if names <= arrays.keys() for name in names}
        unused |= {(index, name) for name in arrays.keys() - used}
    is_any_complete = any(
        names <= arrays.keys() for names in inputs.values() for arrays in examples
    )
    for signature, names in inputs.items():
        if names & {name for _, name in unused} or not is_any_complete:
            missing = [sorted(names - arrays.keys()) for arrays in examples]
            raise ValueError(
                f"Expected an example with the inputs {sorted(names)} for signature "
                f"{signature!r}. Received: {len(examples)} examples, which lack {missing}"
            )
    if unused:
        raise ValueError(
            "Expected every array of `example` to be an input of a signature. Received: arrays "
            f"that no signature takes, as (index of the example, name): {sorted(unused)}"
        )


def _cast_to_spec(signature: Signature, spec, value: Any) -> np.ndarray:
    """Cast an array to the input's dtype; reject an array that a server would reject."""
    array = as_array(value)
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
