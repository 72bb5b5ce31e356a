import numpy as np
from keras import ops

from keras_attention import normalize


def compute(scores, mask=None):
    return ops.convert_to_numpy(normalize.linear(np.array(scores, "float32"), mask))


def test_weights_are_the_visible_scores():
    mask = np.array([[True, False, True]])
    np.testing.assert_array_equal(compute([[-2.0, 5.0, 0.5]], mask), [[-2.0, 0.0, 0.5]])
    np.testing.assert_array_equal(compute([[-2.0, 5.0, 0.5]]), [[-2.0, 5.0, 0.5]])


def test_masked_nan_has_no_effect():
    mask = np.array([[True, False]])
    np.testing.assert_array_equal(compute([[1.5, np.nan]], mask), [[1.5, 0.0]])


def test_name_is_that_of_the_function():
    assert normalize.get("linear") is normalize.linear
    assert normalize.serialize(normalize.linear) == "linear"
