import numpy as np
from keras import ops

from keras_attention.layers.positions.rotary import rotate
from tests import reference_multi_head

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 3, 5, 6)).astype("float32")
POSITIONS = np.array([[0, 1, 2, 7, 11], [3, 4, 5, 100, 5000]])


def test_rotation_is_a_complex_product():
    actual = ops.convert_to_numpy(rotate(ops.convert_to_tensor(X), POSITIONS, 10000.0))
    for row in range(2):
        for head in range(3):
            correct = reference_multi_head.rotate(X[row, head], POSITIONS[row], 10000.0)
            np.testing.assert_allclose(actual[row, head], correct, atol=2e-3 if row else 1e-5)


def test_position_zero_and_vector_norms_are_unchanged():
    actual = ops.convert_to_numpy(rotate(ops.convert_to_tensor(X), POSITIONS, 10000.0))
    np.testing.assert_array_equal(actual[0, :, 0], X[0, :, 0])
    lengths = [np.linalg.norm(x, axis=-1) for x in (actual, X)]
    np.testing.assert_allclose(*lengths, rtol=1e-5)
    assert np.abs(actual[0, :, 1] - X[0, :, 1]).max() > 0.1
