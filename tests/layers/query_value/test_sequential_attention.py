"""What all layers have in common whose weights depend on the previous weights."""

import numpy as np
import pytest

from keras_attention import LocationAwareAttention, MonotonicAttention

LAYERS = {
    "location_aware": lambda: LocationAwareAttention(units=3),
    "monotonic": lambda: MonotonicAttention(units=3),
}
VALUE = np.ones((2, 5, 7, 4), "float32")


@pytest.mark.parametrize("name", LAYERS)
def test_values_with_further_batch_axes_are_refused(name):
    with pytest.raises(ValueError, match=r"Expected a value \(batch, Tk, Dv\).*\(2, 5, 7, 4\)"):
        LAYERS[name]()(VALUE)
    layer = LAYERS[name]()
    layer(VALUE[:, 0])
    with pytest.raises(ValueError, match=r"Expected a value \(batch, Tk, Dv\)"):
        layer.prepare(VALUE)
