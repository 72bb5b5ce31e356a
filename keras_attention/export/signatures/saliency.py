"""An `explain` signature: a model's prediction and its saliency, computed by the server."""

from collections.abc import Callable
from typing import Any, Literal

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.explain import saliency
from keras_attention.explain.gradient_methods import integrate, multiply
from keras_attention.explain.inner_function import InnerFunction
from keras_attention.explain.reduce import REDUCTIONS, reduce_features
from keras_attention.explain.target_gradient import TargetGradient
from keras_attention.explain.targets import Target
from keras_attention.export.signatures.model_inputs import list_input_names
from keras_attention.export.signatures.reference import CheckedFunction
from keras_attention.export.signatures.signature import as_signature, has_inputs
from keras_attention.export.signatures.spec import Spec
from keras_attention.types import Tensor

METHODS = ("gradient", "gradient_input", "integrated")


def saliency_of(
    model: keras.Model,
    of: str | keras.Layer | None = None,
    method: Literal["gradient", "gradient_input", "integrated"] = "gradient",
    target: int | Callable | None = None,
    steps: int = 50,
    baseline: float = 0.0,
    reduce: Literal["norm", "sum", "max"] | None = "norm",
    logits: bool = True,
) -> tuple[Callable, list[Spec], list]:
    """Return a signature that predicts a class and explains it by `explain.saliency`.

    The gradients are part of the exported graph, so that a server computes them without Python.

    Args:
        model: A Functional or built Sequential model. It is not changed.
        of: Where to differentiate, as in `keras_attention.explain.saliency`: for token ids, the
            name of the Embedding.
        method: "gradient", "gradient_input" or "integrated", as there.
        target: None for the predicted class, the number of a class, or a function of the model's
            outputs that returns `(batch,)`.
        steps: Number of points for "integrated"; the server runs the model once for each.
        baseline: Number where the way of "integrated" begins.
        reduce: What to compute from the last axis, as there.
        logits: Whether to leave out a softmax or sigmoid at the end, as there.

    Returns:
        `(function, specs, resources)` for `keras_attention.export.saved_model`. The signature has
        the model's inputs. Its outputs are `saliency`, float32, without the last axis of the inputs
        (or of the output of `of`), and `class` `(batch,)`, int32, the class that it explains,
        unless the model returns one value or `target` is a function. For several inputs, or for a
        layer that is called several times, the outputs are `saliency_0`, `saliency_1`, ….

    Raises:
        ValueError: If the model's inputs are unknown, or an argument is invalid.

    Example:
    >>> import tempfile
    >>> words = keras.Input((None,), dtype="int32", name="words")
    >>> x = keras.layers.Embedding(7, 4, mask_zero=True, name="embedding")(words)
    >>> x = keras_attention.AttentionPooling()(x)
    >>> model = keras.Model(words, keras.layers.Dense(2, activation="softmax")(x))
    >>> path = keras_attention.export.saved_model(model, tempfile.mkdtemp(), {
    ...     "explain": keras_attention.export.saliency_of(model, of="embedding")})
    >>> answer = keras_attention.export.run_in_c_loader(
    ...     path, "explain", {"words": np.array([[3, 1, 0]], "int32")})
    >>> answer["saliency"].shape, answer["saliency"][0, 2]
    ((1, 3), np.float32(0.0))
    """
    if not has_inputs(model):
        raise ValueError(
            f"Expected a Functional or a built Sequential model. Received: model={model!r}"
        )
    arguments.one_of("method", method, METHODS)
    arguments.one_of("reduce", reduce, REDUCTIONS)
    steps = arguments.positive_integer("steps", steps)
    if not arguments.is_real(baseline):
        raise ValueError(f"Expected `baseline` to be a number. Received: baseline={baseline!r}")
    if target is not None and not callable(target) and not arguments.is_integer(target):
        raise ValueError(
            "Expected `target` to be None, an integer, or a function of the model's outputs. "
            f"Received: target={target!r}"
        )
    function = InnerFunction(model, of, arguments.boolean("logits", logits))
    signature = as_signature("explain", model)
    gradient = TargetGradient(function, Target(target))
    # A Sequential model has one input, with no list or dict around it.
    structure = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    names = list_input_names(model)
    has_one_value = len(model.outputs[0].shape) < 2 or model.outputs[0].shape[-1] == 1

    def pack(tensors: dict[str, Tensor]) -> Any:
        return keras.tree.pack_sequence_as(structure, [tensors[name] for name in names])

    def prepare() -> None:
        """Find the activations to leave out, in a graph of its own, which is never run."""
        import tensorflow as tf

        specs = {spec.name: spec.tensor_spec() for spec in signature.inputs}
        tf.function(lambda tensors: function.prepare(pack(tensors))).get_concrete_function(specs)

    def name_outputs(maps: list[Tensor], numbers: Tensor | None) -> dict[str, Tensor]:
        names = [f"saliency_{n}" for n in range(len(maps))] if len(maps) > 1 else ["saliency"]
        outputs = dict(zip(names, maps, strict=True))
        return outputs if numbers is None or has_one_value else {**outputs, "class": numbers}

    def explain(**tensors: Tensor) -> dict[str, Tensor]:
        prepare()
        points, compute, _, numbers = gradient.bind(pack(tensors))
        if method == "integrated":
            starts = [ops.full_like(point, baseline) for point in points]
            maps = integrate(compute, points, starts, steps)
        else:
            maps = compute(points)
        if method == "gradient_input":
            maps = multiply(points, maps)
        return name_outputs([reduce_features(x, reduce) for x in maps], numbers)

    def compute_reference(**tensors: Tensor) -> dict[str, Tensor]:
        inputs = pack(tensors)
        maps = saliency(
            model,
            inputs,
            target,
            of,
            method,
            steps,
            baseline=baseline,
            reduce=reduce,
            logits=logits,
        )
        maps = [ops.convert_to_tensor(x) for x in keras.tree.flatten(maps)]
        return name_outputs(maps, Target(target).choose(model(inputs, training=False)))

    return CheckedFunction(explain, compute_reference), signature.inputs, signature.resources
