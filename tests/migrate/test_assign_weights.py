import keras
import numpy as np
import pytest

from keras_attention.migrate.assign_weights import assign_weights


@pytest.mark.parametrize("shape", [(4, 6), (24,), (2, 3, 5)])
def test_arrays_of_other_shapes_are_refused(shape):
    layer = keras.layers.Dense(4, use_bias=False)
    layer.build((None, 6))
    assign_weights(layer, [np.ones((6, 2, 2))])
    with pytest.raises(ValueError, match=r"Expected an array of shape \(6, 4\).*kernel"):
        assign_weights(layer, [np.ones(shape)])
