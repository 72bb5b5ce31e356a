"""Contract cases of the layers to which other libraries' layers are converted."""

from keras_attention import migrate
from tests.layers.contract.common import Case

ROWS = {
    "linear": Case(
        migrate.LinearAttention,
        {"score": "general", "output_units": 7},
        fully_masked_output_is_zero=False,
    ),
    "linear_monotonic": Case(
        migrate.LinearMonotonicAttention,
        {"output_units": 7, "bias": 0.0},
        fully_masked_output_is_zero=False,
        treats_keys_alike=False,
        weights_sum_to_one=False,
    ),
}
