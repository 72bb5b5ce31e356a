"""Base class of recurrent cells that compute in float32 under every dtype policy."""

from keras_attention.base_layer import BaseLayer
from keras_attention.precision import score_dtype


class Float32Cell(BaseLayer):
    """A cell whose computations, states and weights have float32, or float64 under its policy.

    The policy sets the dtype of the outputs only. `keras.layers.RNN` keeps states in its cell's
    `compute_dtype`, hence in float32.
    """

    @property
    def compute_dtype(self) -> str:
        """The dtype of computations and states: float32, or float64 under a float64 policy."""
        return score_dtype(super().compute_dtype)

    @property
    def variable_dtype(self) -> str:
        """The dtype of the weights: float32, or float64 under a float64 policy."""
        return score_dtype(super().variable_dtype)

    @property
    def output_dtype(self) -> str:
        """The dtype of the outputs: the policy's compute dtype."""
        return super().compute_dtype
