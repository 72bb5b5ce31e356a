"""The check that a call stores nothing on the layer and does not change its inputs."""

from collections.abc import Callable

import numpy as np

from keras_attention.testing.case import LayerCase
from keras_attention.testing.evaluate import compile_function
from keras_attention.testing.promise import promise, require

KERAS_ATTRIBUTES = {"_called"}  # Keras sets it in the first call


@promise("a call leaves no state on the layer")
def check_call_leaves_no_state(case: LayerCase, compiled: bool = False) -> None:
    """Call the layer in training mode; compare its attributes and the inputs before and after."""
    data = case.batch()
    layer = case.build()
    attributes, copies = dict(vars(layer)), [x.copy() for x in data]

    def call(query, value):
        return case.call(layer, query, value, *data[2:], training=True)

    (compile_function(call) if compiled else call)(*data[:2])
    changed = [
        name
        for name in {**attributes, **vars(layer)}.keys() - KERAS_ATTRIBUTES
        if vars(layer).get(name, call) is not attributes.get(name, call)
    ]
    require(not changed, f"The call changes the attributes {sorted(changed)}")
    for array, copy in zip(data, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


CHECKS: list[Callable] = [check_call_leaves_no_state]
