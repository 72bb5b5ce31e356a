"""Invalid arguments of the memory steps are refused."""

import numpy as np
import pytest

from keras_attention import memory


def test_even_number_of_shifts_is_refused():
    with pytest.raises(ValueError, match=r"odd number of `amounts`.*\(1, 1, 4\)"):
        memory.shift(np.ones((1, 1, 7), "float32"), np.ones((1, 1, 4), "float32"))
