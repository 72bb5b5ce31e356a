"""Dropout whose random numbers are cheap on every backend, under XLA too."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_attention import arguments
from keras_attention.kernels.dropout import drop
from keras_attention.layer_arguments import check_seed
from keras_attention.tensors import check_tensors
from keras_attention.types import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class Dropout(keras.layers.Dropout):
    """Sets random elements to zero in training, and scales the others by 1 / (1 - rate).

    score: none; mask: none; normalize: none; read: none, it regularizes the layers around it.

    Use it in place of `keras.layers.Dropout`: it has the same arguments, config and state, and it
    is one, for `isinstance`. Its random numbers are a hash of the seed, the number of the call and
    the position of the element, as in this package's dropout of attention weights. Under XLA on
    CPUs, a `keras.layers.Dropout` alone takes more than 100 times as long on TensorFlow (see
    docs/speed.md). With the same seed, every backend drops the same elements.

    Args:
        rate: Fraction of the elements to drop, from 0 to 1.
        noise_shape: Shape of the dropout mask, one size for each axis of the inputs: None = the
            size of the inputs, 1 = all elements along this axis are dropped or kept together. None
            in place of the shape = every element has its own random number.
        seed: Seed of the dropout, an int or None.

    Call arguments:
        inputs: Floating-point tensor `(batch, ...)`.
        training: Whether to drop elements. Outside of training, the layer returns its inputs.

    Returns:
        Tensor of the shape of the inputs. A Keras mask is propagated.

    Raises:
        ValueError: If an argument is invalid, or if `noise_shape` does not fit the inputs.

    Example:
    >>> words = np.ones((2, 3, 4), "float32")
    >>> drop_words = keras_attention.Dropout(0.5, noise_shape=(None, None, 1), seed=1)
    >>> drop_words(words, training=True).numpy()[0]
    array([[2., 2., 2., 2.],
           [0., 0., 0., 0.],
           [2., 2., 2., 2.]], dtype=float32)

    Differs from the paper: the scale is applied in training, to the elements that are kept, and not
    to the weights after the training.

    Reference:
        Dropout: A Simple Way to Prevent Neural Networks from Overfitting, Srivastava et al. (2014),
        https://jmlr.org/papers/v15/srivastava14a.html.
    """

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        if not arguments.is_real(rate) or not 0 <= rate <= 1:
            raise ValueError(
                f"Expected `rate` to be a number in the range [0, 1]. Received: rate={rate!r}"
            )
        noise_shape = _check_noise_shape(noise_shape)
        super().__init__(float(rate), noise_shape, check_seed("seed", seed), **kwargs)

    def call(self, inputs: Tensor, training: bool | None = False) -> Tensor:
        self._check_inputs(inputs)
        if not training or not self.rate:
            return inputs
        return drop(inputs, self.rate, self.seed_generator, self.noise_shape)

    def compute_output_spec(self, inputs: Tensor, training: bool | None = False) -> Tensor:
        self._check_inputs(inputs)
        return super().compute_output_spec(inputs)

    def _check_inputs(self, inputs):
        check_tensors("inputs", inputs)
        sizes, shape = self.noise_shape, tuple(inputs.shape)
        if sizes is None:
            return
        pairs = zip(sizes, shape, strict=False)
        if len(sizes) != len(shape) or any(None not in p and p[0] not in (1, p[1]) for p in pairs):
            raise ValueError(
                "Expected `inputs` to have one axis for each size in `noise_shape`, which is None, "
                f"1 or the size of `inputs`. Received: inputs of shape {shape}, noise_shape={sizes}"
            )


def _check_noise_shape(value: Any) -> Shape | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple) or not all(
        size is None or arguments.is_integer(size) and size > 0 for size in value
    ):
        raise ValueError(
            "Expected `noise_shape` to be None or a tuple of positive integers and None. "
            f"Received: noise_shape={value!r}"
        )
    return tuple(size and int(size) for size in value)
