"""Signatures of a served model: a name, a function, and its inputs and outputs by name."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeGuard

import keras

from keras_attention.export.signatures.dtypes import check_dtype
from keras_attention.export.signatures.input_checks import add_input_checks
from keras_attention.export.signatures.input_names import (
    NAME_PATTERN,
    check_dense,
    check_input_name,
)
from keras_attention.export.signatures.model_inputs import describe_inputs, list_input_names
from keras_attention.export.signatures.spec import Spec, as_spec, find_max_length
from keras_attention.server_context import trace_for_server
from keras_attention.types import Tensor

DEFAULT_SIGNATURE = "serving_default"

SignatureParts: TypeAlias = tuple[Callable, Sequence] | tuple[Callable, Sequence, Sequence]
"""`(function, specs)` or `(function, specs, resources)`."""


class Signature(NamedTuple):
    """A function of a SavedModel: it takes the `inputs` as keyword arguments.

    A tensor that does not match its input raises an error, eagerly and in the graph.
    """

    name: str
    function: Callable
    inputs: list[Spec]
    resources: list

    @property
    def specs(self) -> list:
        """The inputs as a list of tf.TensorSpec."""
        return [spec.tensor_spec() for spec in self.inputs]

    def compute_outputs(self, *tensors: Tensor) -> dict[str, Tensor]:
        """Check the tensors, one for each input in order, and call the function with them."""
        names = [spec.name for spec in self.inputs]
        checked = add_input_checks(self.inputs, tensors)
        with trace_for_server(find_max_length(self.inputs)):
            return self.compute_unchecked(**dict(zip(names, checked, strict=True)))

    def compute_unchecked(self, /, **tensors: Tensor) -> dict[str, Tensor]:
        """Call the function and return its outputs by name; a single tensor is named `output`.

        Outputs that are None are left out.
        """
        import tensorflow as tf

        result = self.function(**tensors)
        outputs = {"output": result} if isinstance(result, tf.Tensor) else result
        if isinstance(outputs, dict):
            outputs = {name: tensor for name, tensor in outputs.items() if tensor is not None}
        is_dict = isinstance(outputs, dict) and len(outputs) > 0
        if not is_dict or not all(
            isinstance(name, str) and name and isinstance(tensor, tf.Tensor)
            for name, tensor in outputs.items()
        ):
            raise ValueError(
                f"Expected signature {self.name!r} to return a tensor or a dict of tensors by "
                f"name, so that a client knows which is which. Received: {type(result).__name__} "
                f"{keras.tree.map_structure(lambda leaf: type(leaf).__name__, result)}"
            )
        for name, tensor in outputs.items():
            check_dtype(self.name, "output", name, tensor.dtype.name)
        return outputs


def collect_signatures(
    model: keras.Model | None, signatures: Mapping[str, SignatureParts] | None
) -> list[Signature]:
    """Return a list of `Signature`; derive a missing default signature from the model."""
    if not isinstance(signatures, dict | None):
        raise ValueError(
            "Expected `signatures` to be a dict of name to (function, list of specs), or None. "
            f"Received: signatures={signatures!r}"
        )
    collected = [_make_signature(name, parts) for name, parts in (signatures or {}).items()]
    if DEFAULT_SIGNATURE in [signature.name for signature in collected]:
        return collected
    if not has_inputs(model):
        raise ValueError(
            "Expected a Functional or a built Sequential model, or "
            f"signatures[{DEFAULT_SIGNATURE!r}] = (function, [keras.InputSpec(shape=..., "
            "dtype=..., name=...), ...]) for any other: a subclassed model does not say what its "
            f"inputs are. Received: model={model}"
        )
    return [as_signature(DEFAULT_SIGNATURE, model), *collected]


def as_signature(name: str, model_or_parts: keras.Model | SignatureParts) -> Signature:
    """Return the `Signature` of a model with known inputs, or of `(function, specs, resources)`."""
    if not has_inputs(model_or_parts):
        return _make_signature(name, model_or_parts)
    model = model_or_parts
    return _make_signature(name, (_wrap_model(model), describe_inputs(model), [model]))


def has_inputs(model: Any) -> TypeGuard[keras.Model]:
    """Return True for a model with known inputs, such as a Functional or built Sequential one."""
    return isinstance(model, keras.Model) and bool(getattr(model, "inputs", None))


def _wrap_model(model: keras.Model) -> Callable:
    """Return a function that takes the inputs of a Functional or Sequential model by name."""
    # A Sequential model has one input, with no list or dict around it.
    structure = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    names = list_input_names(model)

    def serve(**tensors: Tensor) -> Any:
        inputs = keras.tree.pack_sequence_as(structure, [tensors[name] for name in names])
        outputs = model(inputs, training=False)
        if not isinstance(outputs, list | tuple):
            return outputs
        if len(outputs) == 1:
            return outputs[0]
        return {f"output_{index}": output for index, output in enumerate(outputs)}

    return serve


def _make_signature(name: str, parts: SignatureParts) -> Signature:
    """Check `(function, specs)` or `(function, specs, resources)`, and return the signature."""
    if not isinstance(name, str) or not NAME_PATTERN.fullmatch(name) or name == "signatures":
        raise ValueError(
            "Expected signature names of letters, digits, `_`, `.` and `-`, other than "
            "`signatures`, which TensorFlow reserves. "
            f"Received: signatures={{{name!r}: ...}}"
        )
    if (
        not isinstance(parts, tuple)
        or len(parts) not in (2, 3)
        or not callable(parts[0])
        or not all(isinstance(part, list | tuple) for part in parts[1:])
    ):
        raise ValueError(
            f"Expected signature {name!r} to be (function, list of specs) or (function, list of "
            f"specs, list of resources). Received: {parts!r}"
        )
    function, specs, *rest = parts
    resources = list(rest[0]) if rest else []
    specs = [_parse_spec(name, spec) for spec in specs]
    names = [spec.name for spec in specs]
    if len(set(names)) < len(names):
        raise ValueError(f"Expected different input names in signature {name!r}. Received: {names}")
    sizes = {size for spec in specs for size in spec.shape if isinstance(size, str)}
    unknown = sorted({spec.below for spec in specs if isinstance(spec.below, str)} - sizes)
    if unknown:
        raise ValueError(
            f"Expected `below` in signature {name!r} to be an int or the name of a size, out of "
            f"{sorted(sizes)}. Received: {unknown}"
        )
    _check_arguments(name, function, names)
    return Signature(name, function, specs, resources)


def _check_arguments(name: str, function: Callable, names: Sequence[str]) -> None:
    """Raise a ValueError if a function does not take keyword arguments with these names."""
    call = function.call if isinstance(function, keras.Layer) else function
    arguments = inspect.signature(call)
    try:
        arguments.bind(**dict.fromkeys(names))
    except TypeError as error:
        raise ValueError(
            f"Expected the function of signature {name!r} to take the inputs {names} as keyword "
            f"arguments. Received: a function with the arguments {arguments} ({error})"
        ) from error


def _parse_spec(name: str, description: Any) -> Spec:
    """Return a `Spec` with a valid name and a known dtype and rank."""
    check_dense(name, description)
    try:
        spec = as_spec(description)
    except (TypeError, ValueError):
        spec = None
    if spec is None or not isinstance(spec.name, str) or not spec.name:
        raise ValueError(
            f"Expected the inputs of signature {name!r} as keras_attention.export.Spec, "
            "keras.InputSpec, keras.KerasTensor or tf.TensorSpec with shape, dtype and name; "
            "`below`, if given, must be a positive int or the name of a size, and the dtype an "
            "integer; `at_most`, if given, a dict of positive ints by names of sizes in the shape. "
            f"Received: {description!r}"
        )
    check_input_name(name, spec.name)
    check_dtype(name, "input", spec.name, spec.dtype)
    return spec
