"""Sinusoidal position encoding, added to a sequence (Vaswani et al. 2017)."""

from typing import Any

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.layers.call_arguments.dense_inputs import DenseInputsLayer
from keras_attention.layers.positions.angles import check_base, compute_angles
from keras_attention.precision import at_least_float32, saturate_cast, score_dtype
from keras_attention.tensors import check_tensors, convert_argument
from keras_attention.types import Config, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class PositionalEncoding(DenseInputsLayer):
    """Adds sines and cosines of the position to the vector at each position of a sequence.

    score: none; mask: none; normalize: none; read: none, it adds positions on which scores can
    depend.

        PE[t, 2i]     = sin(t / base^(2i / D))
        PE[t, 2i + 1] = cos(t / base^(2i / D))
        output[t]     = input[t] + PE[t],  or sqrt(D) input[t] + PE[t] with `scale`

    The layer has no weights and supports any length. It computes in float32 (float64 under a
    float64 policy), because bfloat16 cannot distinguish position 256 from 257.

    Args:
        base: Base of the wavelengths, which range from 2 pi to 2 pi base.
        scale: Whether to multiply the inputs by sqrt(D) first, as the paper does with embeddings.
            Without it, embeddings from N(0, 1 / D) would be small next to the sinusoids.

    Call arguments:
        inputs: `(batch, T, D)`; with an odd D the last sine has no cosine.
        start: Position of the first step, an integer, or an integer tensor `()` or `(batch,)`: in a
            decoding loop, the number of steps before this call. Defaults to 0.

    Returns:
        `(batch, T, D)`. A Keras mask is propagated; padded steps get their sinusoid too.

    Raises:
        ValueError: If an argument or a shape is invalid.

    Example:
    >>> layer = keras_attention.PositionalEncoding()
    >>> layer(np.zeros((1, 2, 4), "float32")).numpy().round(3)
    array([[[0.   , 1.   , 0.   , 1.   ],
            [0.841, 0.54 , 0.01 , 1.   ]]], dtype=float32)

    Differs from the paper: `scale` is off by default, and the layer does not apply dropout to the
    sum.

    Reference:
        Attention Is All You Need, Vaswani et al. (2017), sections 3.4 and 3.5,
        https://arxiv.org/abs/1706.03762.
    """

    def __init__(self, base: float = 10000.0, scale: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.base = check_base("base", base)
        self.scale = arguments.boolean("scale", scale)
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        self._check_shape(input_shape)

    def call(self, inputs: Tensor, start: int | Tensor = 0) -> Tensor:
        check_tensors("inputs", inputs)
        self._check_shape(inputs.shape)
        start = self._check_start(start, inputs.shape[0])
        width, dtype = inputs.shape[-1], score_dtype(self.compute_dtype)
        steps = ops.arange(ops.shape(inputs)[1], dtype="int32")
        positions = ops.add(ops.expand_dims(start, -1), steps)
        angle = compute_angles(positions, width, self.base, dtype)
        pairs = ops.stack([ops.sin(angle), ops.cos(angle)], axis=-1)
        encoding = ops.reshape(pairs, (*ops.shape(angle)[:-1], -1))[..., :width]
        inputs = at_least_float32(ops.cast(inputs, self.compute_dtype))
        if self.scale:
            inputs = inputs * width**0.5
        return saturate_cast(inputs + encoding, self.compute_dtype)

    def _check_shape(self, shape):
        if len(shape) != 3 or shape[-1] is None:
            raise ValueError(
                "Expected `inputs` (batch, T, width) with a known width. "
                f"Received: inputs {tuple(shape)}"
            )

    def _check_start(self, start, batch):
        start = convert_argument("start", start)
        dtype, shape = keras.backend.standardize_dtype(start.dtype), tuple(start.shape)
        is_per_example = len(shape) == 1 and (None in (shape[0], batch) or shape[0] == batch)
        if "int" not in dtype or shape and not is_per_example:
            raise ValueError(
                f"Expected `start` to be integers of shape () or (batch,), where batch={batch}. "
                f"Received: start of shape {shape}, {dtype}"
            )
        return start

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def compute_output_spec(self, inputs: Tensor, start: int | Tensor = 0) -> keras.KerasTensor:
        check_tensors("inputs", inputs)
        self._check_shape(inputs.shape)
        self._check_start(start, inputs.shape[0])
        return keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)

    def get_config(self) -> Config:
        return {**super().get_config(), "base": self.base, "scale": self.scale}
