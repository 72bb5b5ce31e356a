"""The checks that freezing a layer freezes all of its weights."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from keras_attention.testing.backends import compute_shapes
from keras_attention.testing.case import LayerCase
from keras_attention.testing.promise import promise, require

FREEZERS = ("constructor", "attribute before build", "attribute after build", "file")


@promise("a frozen layer is not trained")
def check_frozen_layer_is_not_trained(case: LayerCase, frozen_by: str) -> None:
    """Freeze the layer in one of the ways in `FREEZERS`; check what a model with it trains."""
    layer = case.make(trainable=False) if frozen_by in ("constructor", "file") else case.make()
    if frozen_by == "attribute before build":
        layer.trainable = False
    model = _add_head(case.functional_model(layer))
    if frozen_by == "attribute after build":
        layer.trainable = False
    if frozen_by == "file":
        model = _reload(model)
    head = model.get_layer("head")
    head_ids = {id(v) for v in head.trainable_weights}
    trained = [v.path for v in model.trainable_weights if id(v) not in head_ids]
    require(not trained, f"The model trains weights of the frozen layer: {trained}")
    require(len(model.trainable_weights) == 2, "The model does not train its other weights")
    if frozen_by == "file":  # `fit` is checked only here, where the flags come from the config.
        _check_fit(case, model, head)


@promise("trainable=True unfreezes a frozen layer")
def check_frozen_layer_can_be_unfrozen(case: LayerCase) -> None:
    """Compare the trainable weights of an unfrozen layer with those of a layer never frozen."""
    expected = _add_head(case.functional_model(case.make())).trainable_weights
    layer = case.make(trainable=False)
    model = _add_head(case.functional_model(layer))
    layer.trainable = True
    shapes, expected_shapes = (
        [(v.name, tuple(v.shape)) for v in x] for x in (model.trainable_weights, expected)
    )
    require(shapes == expected_shapes, f"Expected to train {expected_shapes}, not {shapes}")


def _check_fit(case, model, head):
    head_ids = {id(v) for v in head.trainable_weights}
    before = [np.array(w) for w in model.get_weights()]
    inputs = dict(zip([x.name for x in model.inputs], case.batch(), strict=True))
    (shape,) = compute_shapes(lambda *arrays: [model(list(arrays))], *inputs.values())
    target = np.full(shape, 10.0, "float32")
    model.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=_is_eager_faster())
    model.fit(inputs, target, verbose=0)
    for variable, value in zip(model.weights, before, strict=True):
        is_equal = np.array_equal(keras.ops.convert_to_numpy(variable), value)
        if id(variable) in head_ids:
            require(not is_equal, f"fit does not change the trainable weight {variable.path}")
        else:
            require(is_equal, f"fit changes the frozen weight {variable.path}")


def _add_head(model):
    outputs = keras.layers.Dense(1, name="head")(model.output["output"])
    return keras.Model(model.inputs, outputs)


def _reload(model):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return keras.saving.load_model(path)


def _is_eager_faster():
    """Return True except on JAX, which compiles every eager operation separately."""
    return keras.backend.backend() != "jax"


CHECKS: list[Callable] = [check_frozen_layer_is_not_trained, check_frozen_layer_can_be_unfrozen]
