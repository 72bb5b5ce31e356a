"""What a served model can be asked: a name, the inputs by name, the outputs by name."""

import inspect
import re
from collections.abc import Callable
from typing import NamedTuple

import keras

from keras_attention.export.signatures.input_checks import refuse_mismatches
from keras_attention.export.signatures.spec import as_spec

DEFAULT = "serving_default"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class Signature(NamedTuple):
    """One entry of a SavedModel: `function` takes tensors named as the `inputs`, a list of `Spec`.

    What it returns for tensors that do not fit is an error, in the graph too.
    """

    name: str
    function: Callable
    inputs: list
    resources: list

    @property
    def specs(self):
        """The inputs as a list of tf.TensorSpec."""
        return [spec.tensor_spec() for spec in self.inputs]

    def outputs(self, *tensors):
        """Calls the function with the tensors, which stand in the order of the inputs."""
        names = [spec.name for spec in self.inputs]
        tensors = refuse_mismatches(self.inputs, tensors)
        return self.outputs_of(**dict(zip(names, tensors, strict=True)))

    def outputs_of(self, **tensors):
        """A dict of tensors, `output` where the function returns a single tensor."""
        import tensorflow as tf

        result = self.function(**tensors)
        outputs = {"output": result} if isinstance(result, tf.Tensor) else result
        is_dict = isinstance(outputs, dict) and len(outputs) > 0
        if not is_dict or not all(
            isinstance(name, str) and isinstance(tensor, tf.Tensor)
            for name, tensor in outputs.items()
        ):
            raise ValueError(
                f"Expected signature {self.name!r} to return a tensor or a dict of tensors by "
                f"name, so that a client knows which is which. Received: {type(result).__name__} "
                f"{keras.tree.map_structure(lambda leaf: type(leaf).__name__, result)}"
            )
        return dict(outputs)


def collect(model, signatures):
    """Returns the list of `Signature`, with one derived from the model if none is the default."""
    if not isinstance(signatures, dict | None):
        raise ValueError(
            "Expected `signatures` to be a dict of name to (function, list of specs), or None. "
            f"Received: signatures={signatures!r}"
        )
    given = [_given(name, parts) for name, parts in (signatures or {}).items()]
    if DEFAULT in [signature.name for signature in given]:
        return given
    if not has_inputs(model):
        raise ValueError(
            f"Expected a Functional or a built Sequential model, or signatures[{DEFAULT!r}] = "
            "(function, [keras.InputSpec(shape=..., dtype=..., name=...), ...]) for any other: "
            f"a subclassed model does not say what its inputs are. Received: model={model}"
        )
    return [as_signature(DEFAULT, model), *given]


def as_signature(name, model_or_parts):
    """A `Signature` of a model that knows its inputs, or of `(function, specs, resources)`."""
    if not has_inputs(model_or_parts):
        return _given(name, model_or_parts)
    model = model_or_parts
    return _given(name, (_as_function(model), model.inputs, [model]))


def has_inputs(model):
    """Whether it is a model that knows its own inputs."""
    return isinstance(model, keras.Model) and bool(getattr(model, "inputs", None))


def _as_function(model):
    """A Functional or Sequential model as a function of its inputs by their names."""
    # Sequential models have one input, and no structure of their own around it.
    structure = model.inputs[0] if isinstance(model, keras.Sequential) else model.input

    def serve(**tensors):
        inputs = keras.tree.map_structure(lambda symbol: tensors[symbol.name], structure)
        outputs = model(inputs, training=False)
        if not isinstance(outputs, list | tuple):
            return outputs
        if len(outputs) == 1:
            return outputs[0]
        return {f"output_{index}": output for index, output in enumerate(outputs)}

    return serve


def _given(name, parts):
    """A signature from `(function, specs)` or `(function, specs, resources)`."""
    if not isinstance(name, str) or not NAME.fullmatch(name) or name == "signatures":
        raise ValueError(
            "Expected signature names of letters, digits, `_`, `.` and `-`, other than the word "
            "`signatures`, which TensorFlow keeps for itself. "
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
    function, specs, *resources = parts
    specs = [_spec(name, spec) for spec in specs]
    names = [spec.name for spec in specs]
    if len(set(names)) < len(names):
        raise ValueError(f"Expected different input names in signature {name!r}. Received: {names}")
    _check_takes(name, function, names)
    return Signature(name, function, specs, [one for some in resources for one in some])


def _check_takes(name, function, names):
    """Refuses a function that cannot be called with arguments of these names."""
    call = function.call if isinstance(function, keras.Layer) else function
    arguments = inspect.signature(call)
    try:
        arguments.bind(**dict.fromkeys(names))
    except TypeError as error:
        raise ValueError(
            f"Expected the function of signature {name!r} to take the inputs {names} by these "
            f"names. Received: a function of {arguments} ({error})"
        ) from error


def _spec(name, given):
    """A `Spec` with a name that can be sent, and a known dtype and rank."""
    try:
        spec = as_spec(given)
    except (TypeError, ValueError):
        spec = None
    if spec is None or not NAME.fullmatch(spec.name or ""):
        raise ValueError(
            f"Expected the inputs of signature {name!r} as keras_attention.export.Spec, "
            "keras.InputSpec, keras.KerasTensor or tf.TensorSpec with shape, dtype and a name of "
            "letters, digits, `_`, `.` and `-`, and `below`, if at all, a positive int of an "
            f"integer dtype. Received: {given!r}"
        )
    return spec
