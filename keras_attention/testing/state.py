"""The check that a call stores nothing on the layer and does not change its inputs."""

from collections.abc import Callable, Mapping

import keras
import numpy as np

from keras_attention.testing.case import LayerCase
from keras_attention.testing.promise import promise, require

KERAS_ATTRIBUTES = {"_called"}  # Keras sets this attribute in the first call.


@promise("a call leaves no state on the layer")
def check_call_leaves_no_state(case: LayerCase) -> None:
    """Call the layer in training mode; compare its attributes and the inputs before and after.

    `training.check_layer_learns_when_compiled` compares the attributes before and after compiled
    calls.
    """
    data = case.batch()
    layer = case.build()
    attributes, copies = dict(vars(layer)), [x.copy() for x in data]
    case.call(layer, *data, training=True)
    check_attributes(layer, attributes)
    for array, copy in zip(data, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def check_attributes(layer: keras.layers.Layer, attributes: Mapping) -> None:
    """Raise an `AssertionError` if a call changed the layer's attributes.

    Args:
        layer: The layer, after the call.
        attributes: The layer's attributes before the call.
    """
    missing = object()
    changed = [
        name
        for name in {**attributes, **vars(layer)}.keys() - KERAS_ATTRIBUTES
        if vars(layer).get(name, missing) is not attributes.get(name, missing)
    ]
    require(not changed, f"The call changes the attributes {sorted(changed)}")


CHECKS: list[Callable] = [check_call_leaves_no_state]
