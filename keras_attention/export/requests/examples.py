"""Example inputs, which check an export and warm up a server."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from keras_attention.export.checks.c_loader.arrays import as_array
from keras_attention.export.signatures.signature import Signature
from keras_attention.export.signatures.spec import BATCH

# Two different batch sizes and lengths, because one alone would not reveal a dimension that the
# export has fixed to its size.
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
    examples = [example] if isinstance(example, dict) else example
    if not isinstance(examples, list | tuple) or not all(isinstance(x, dict) for x in examples):
        raise ValueError(
            "Expected `example` to be a dict of input name to array, or a list of such dicts. "
            f"Received: example={example!r}"
        )
    calls, used = [], set()  # `used` holds pairs (index of the example, input name)
    for signature in signatures:
        names = {spec.name for spec in signature.specs}
        complete = [index for index, arrays in enumerate(examples) if names <= arrays.keys()]
        if not complete:
            missing = [sorted(names - arrays.keys()) for arrays in examples]
            raise ValueError(
                f"Expected an example with the inputs {sorted(names)} for signature "
                f"{signature.name!r}. Received: {len(examples)} examples, which lack {missing}"
            )
        for index in complete:
            used |= {(index, name) for name in names}
            arrays = examples[index]
            inputs = {
                spec.name: _cast_to_spec(signature, spec, arrays[spec.name])
                for spec in signature.specs
            }
            calls.append(Call(signature, inputs))
    pairs = {(index, name) for index, arrays in enumerate(examples) for name in arrays}
    unused = sorted(pairs - used)
    if unused:
        raise ValueError(
            "Expected every array of `example` to be an input of a signature. "
            f"Received: arrays that no signature takes, as (index of the example, name): {unused}"
        )
    return calls


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


def _default_examples(signature: Signature) -> Iterator[dict[str, np.ndarray]]:
    """Yield two examples: integers are 1, floats small and random, bools True, strings "a"."""
    random = np.random.default_rng(0)
    for batch, length in BATCHES_AND_LENGTHS:
        inputs = {}
        for named_spec, spec in zip(signature.inputs, signature.specs, strict=True):
            shape = [
                size if isinstance(size, int) else batch if size == BATCH else length
                for size in named_spec.shape
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
