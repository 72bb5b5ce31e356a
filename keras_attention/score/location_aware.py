"""Location-aware score: an additive score that also depends on the previous weights."""

from typing import Any

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.initial_weights import clone_initializer
from keras_attention.kernels.matmul import project
from keras_attention.score.additive import AdditiveScore
from keras_attention.types import Config, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class LocationAwareScore(AdditiveScore):
    """Additive score with a convolution of the previous query's weights.

        located     = (filters * previous) location_kernel          (equation 8)
        score[i, j] = scale . tanh(q_i Wq + k_j Wk + located_j + bias)      (equation 9)

    `locate` returns `located`, which a layer adds to the projected keys: see
    `keras_attention.LocationAwareAttention`. Called as a score, without previous weights, it is the
    additive score.

    Further arguments are those of `AdditiveScore`.

    Weights, in this order: those of `AdditiveScore`, then `filters` (width, channels, filters) and
    `location_kernel` (filters, units).

    Args:
        units: Width of the hidden layer; None takes the query's width.
        filters: Number of filters.
        width: Number of weights that a filter covers, an odd int.
        channels: Number of previous weights per key.

    Raises:
        ValueError: If an argument is not as described.

    Example:
    >>> score = keras_attention.score.LocationAwareScore(units=4, filters=2, width=3)
    >>> score.build((1, 2, 3), (1, 5, 7))
    >>> score.locate(np.ones((1, 5, 1), "float32")).shape
    TensorShape([1, 5, 4])

    Reference:
        Attention-Based Models for Speech Recognition, Chorowski, Bahdanau, Serdyuk, Cho, Bengio
        (2015), section 2.2, https://arxiv.org/abs/1506.07503.
    """

    def __init__(
        self,
        units: int | None = None,
        filters: int = 10,
        width: int = 31,
        channels: int = 1,
        **kwargs: Any,
    ):
        super().__init__(units=units, **kwargs)
        self.filter_count = arguments.positive_integer("filters", filters)
        self.width = arguments.positive_integer("width", width)
        if self.width % 2 == 0:
            raise ValueError(
                "Expected `width` to be odd, so that a filter has as many weights on either side. "
                f"Received: width={width}"
            )
        self.channels = arguments.positive_integer("channels", channels)

    def build(self, query_shape: Shape, key_shape: Shape) -> None:
        super().build(query_shape, key_shape)
        self.filters = self.add_weight(
            name="filters",
            shape=(self.width, self.channels, self.filter_count),
            initializer=clone_initializer(self.kernel_initializer),
            regularizer=self.kernel_regularizer,
            autocast=False,
        )
        self.location_kernel = self._add_kernel(
            "location_kernel", self.filter_count, self.scale.shape[0]
        )

    def locate(self, previous: Tensor) -> Tensor:
        """Return the term of the previous weights, to be added to the projected keys.

        Args:
            previous: `(batch, Tk, channels)`, float32 or float64, 0 at masked keys.

        Returns:
            `(batch, Tk, units)`.
        """
        filters = ops.cast(self.filters, previous.dtype)
        if previous.shape[0] == 0:  # TensorFlow does not convolve an empty batch
            filtered = ops.zeros((*ops.shape(previous)[:-1], self.filter_count), previous.dtype)
        else:
            filtered = ops.conv(previous, filters, padding="same", data_format="channels_last")
        return project(filtered, self.location_kernel)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "filters": self.filter_count,
            "width": self.width,
            "channels": self.channels,
        }
