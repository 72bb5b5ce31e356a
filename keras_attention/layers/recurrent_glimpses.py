"""Recurrent glimpses: a network that chooses where in an image to look next (Mnih et al. 2014)."""

from typing import Any, Literal

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.initial_weights import clone_initializer
from keras_attention.kernels.matmul import project
from keras_attention.layer_arguments import check_seed, get_initializer
from keras_attention.layers.call_arguments.dense_inputs import DenseInputsLayer
from keras_attention.layers.recurrent.cell_adapter import (
    check_cell,
    has_dropout,
    initial_state,
    output_size,
)
from keras_attention.layers.reinforce.reinforce import credit
from keras_attention.normalize import sample_normal
from keras_attention.precision import at_least_float32, clip_input, saturate_cast, score_dtype
from keras_attention.read import glimpse
from keras_attention.tensors import check_tensors
from keras_attention.types import Config, Initializer, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class RecurrentGlimpses(DenseInputsLayer):
    """Looks at several small squares of an image, and chooses each by the ones before.

    score: the location of the next glimpse, from the state; mask: —; normalize: a sample of a
    normal distribution; read: a square at several scales.

        rho_t  = glimpse(image, l_{t-1})                                  at `scales` scales
        g_t    = relu(relu(rho_t Ws + bs) Wa + ba + relu(l_{t-1} Wl + bl) Wb + bb)
        h_t    = relu(h_{t-1} Wh + g_t Wg + bh),  or cell(g_t, h_{t-1})
        mean_t = tanh(locator(h_t)),              l_t ~ N(mean_t, deviation^2)
        b_t    = h_t wb + bb'                                             the predicted reward

    A sampled location has no gradient. In a `ReinforceModel` the locator learns by REINFORCE with
    the baseline b_t, which is trained on the same rewards; use `reward="accuracy"` there for the
    paper's classifier. The state before locator and baseline has its gradient stopped, so that the
    rest of the network learns from the compiled loss alone. In any other model, the locator and the
    baseline do not learn.

    Outside of training the next location is the mean, and only a random first one is sampled.

    Weights: `kernel` and `bias` of the layers `sensor`, `location`, `join_sensor`, `join_location`,
    `core`, `locator_hidden` if there is one, `locator` and `baseline`. The kernel of `core` is
    `(2 units, units)`, Wh above Wg. With a cell, the cell's weights are first, and there is no
    core. With a single glimpse there is no locator and no baseline.

    Args:
        glimpses: Number of glimpses, at least 1.
        size: Side of a glimpse in pixels, at its finest scale.
        scales: Number of scales; each covers a square twice as wide as the one before, averaged
            down to `size` x `size` pixels.
        units: Width of the state and of the glimpse's features.
        glimpse_units: Width of the hidden layers for the pixels and for the location.
        locator_units: Width of the locator's hidden layer (relu); None = a linear locator, as in
            the paper.
        deviation: Standard deviation of the locations in training, in units of half an image.
        cell: A Keras recurrent cell without dropout, which replaces the core; None = the core
            above. The state is the cell's output.
        reward_weight: Factor of the locator's gradient, at least 0.
        start: The first location: "random" (uniform), or "center".
        seed: Seed of the locations, an int or None.
        kernel_initializer: Initializer of all kernels (not of a cell).

    Call arguments:
        images: `(batch, H, W, C)` with known H, W and C. Integers are divided by 255.
        first: The first locations `(batch, 2)`, row and column in [-1, 1]; None = as `start` says.
        return_locations: Whether to return the locations too.
        training: Whether to sample the locations, and to add the tensor for REINFORCE to the
            layer's losses.

    Returns:
        The state `(batch, units)` after the last glimpse, and with `return_locations` the centers
        of all glimpses, `(batch, glimpses, 2)`, row and column in [-1, 1].

    Raises:
        ValueError: If an argument or a shape is not as described.

    Example:
    >>> images = np.zeros((2, 28, 28, 1), "uint8")
    >>> layer = keras_attention.RecurrentGlimpses(glimpses=6, size=8, seed=1)
    >>> state, locations = layer(images, return_locations=True)
    >>> state.shape, locations.shape
    (TensorShape([2, 256]), TensorShape([2, 6, 2]))

    Differs from the paper: the locator has a hidden layer by default, the state before it has no
    gradient, and the mean passes through tanh.

    Reference:
        Recurrent Models of Visual Attention, Mnih, Heess, Graves, Kavukcuoglu (2014),
        https://arxiv.org/abs/1406.6247.
    """

    _tensor_arguments = ("images", "first")

    def __init__(
        self,
        glimpses: int = 6,
        size: int = 8,
        scales: int = 1,
        units: int = 256,
        glimpse_units: int = 128,
        locator_units: int | None = 128,
        deviation: float = 0.05,
        cell: keras.layers.Layer | None = None,
        reward_weight: float = 1.0,
        start: Literal["random", "center"] = "random",
        seed: int | None = None,
        kernel_initializer: Initializer = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.glimpses = arguments.positive_integer("glimpses", glimpses)
        self.size = arguments.positive_integer("size", size)
        self.scales = arguments.positive_integer("scales", scales)
        self.units = arguments.positive_integer("units", units)
        self.glimpse_units = arguments.positive_integer("glimpse_units", glimpse_units)
        self.locator_units = arguments.positive_integer(
            "locator_units", locator_units, optional=True
        )
        self.deviation = arguments.positive_number("deviation", deviation)
        self.cell = None if cell is None else check_cell("cell", cell)
        if cell is not None and (has_dropout(cell) or output_size(cell) != self.units):
            raise ValueError(
                "Expected `cell` without dropout whose output has the width `units`. "
                f"Received: cell={cell!r}, units={units!r}"
            )
        self.reward_weight = arguments.nonnegative_number("reward_weight", reward_weight)
        self.start = arguments.one_of("start", start, ("random", "center"))
        self.seed = check_seed("seed", seed)
        self.seed_generator = keras.random.SeedGenerator(self.seed)
        self.kernel_initializer = get_initializer("kernel_initializer", kernel_initializer)

        self.sensor = self._make_dense("sensor", self.glimpse_units, "relu")
        self.location = self._make_dense("location", self.glimpse_units, "relu")
        self.join_sensor = self._make_dense("join_sensor", self.units)
        self.join_location = self._make_dense("join_location", self.units)
        if cell is None:
            self.core = self._make_dense("core", self.units, "relu")
        self.locator_hidden = None
        if self.glimpses == 1:  # there is no place to choose
            return
        if self.locator_units is not None:
            self.locator_hidden = self._make_dense("locator_hidden", self.locator_units, "relu")
        # Locations are small numbers that float16 would round to whole pixels of a large image.
        self.locator = self._make_dense("locator", 2, "tanh", score_dtype(self.compute_dtype))
        self.baseline = self._make_dense("baseline", 1, None, score_dtype(self.compute_dtype))

    def _make_dense(self, name, units, activation=None, dtype=None):
        return _SaturatingDense(
            units,
            activation,
            kernel_initializer=clone_initializer(self.kernel_initializer),
            dtype=dtype or self.dtype_policy,
            name=name,
        )

    def build(self, images_shape: Shape, first_shape: Shape | None = None) -> None:
        _check_shape(images_shape)
        batch, channels = images_shape[0], images_shape[-1]
        self.sensor.build((batch, self.scales * self.size**2 * channels))
        self.location.build((batch, 2))
        self.join_sensor.build((batch, self.glimpse_units))
        self.join_location.build((batch, self.glimpse_units))
        if self.cell is None:
            self.core.build((batch, 2 * self.units))
        elif not self.cell.built:
            self.cell.build((batch, self.units))
        if self.glimpses == 1:
            return
        if self.locator_hidden is not None:
            self.locator_hidden.build((batch, self.units))
        self.locator.build((batch, self.locator_units or self.units))
        self.baseline.build((batch, self.units))

    def call(
        self,
        images: Tensor,
        first: Tensor | None = None,
        return_locations: bool = False,
        training: bool | None = None,
    ) -> Any:
        self._check_inputs(images, first)
        batch = ops.shape(images)[0]
        center = self._get_first(first, batch)
        noise = None
        if training:
            shape = (batch, self.glimpses, 2)
            noise = keras.random.normal(shape, dtype=center.dtype, seed=self.seed_generator)
        state = [ops.zeros((batch, self.units), self.compute_dtype)]
        if self.cell is not None:
            state = initial_state(self.cell, batch)
        centers, log_probabilities, baselines = [center], [], []
        hidden = None
        for t in range(self.glimpses):
            hidden, state = self._step(images, center, state)
            if t == self.glimpses - 1:
                break
            # The locator and the baseline do not train the rest of the network.
            fixed = ops.stop_gradient(hidden)
            features = fixed if self.locator_hidden is None else self.locator_hidden(fixed)
            mean = self.locator(features)
            center = ops.stop_gradient(mean)
            if training:
                drawn = sample_normal.draw(mean, self.deviation, noise[:, t])
                log_probabilities.append(sample_normal.log_probability(mean, self.deviation, drawn))
                baselines.append(self.baseline(fixed)[:, 0])
                center = ops.clip(drawn, -1.0, 1.0)
            centers.append(center)
        if log_probabilities:
            self.add_loss(self._compute_credit(log_probabilities, baselines))
        hidden = ops.cast(hidden, self.compute_dtype)
        if not return_locations:
            return hidden
        return hidden, ops.cast(ops.stack(centers, axis=1), self.compute_dtype)

    def compute_attention_weights(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """Return the centers of the glimpses of a call, which take the place of weights.

        The arguments are those of `call`.
        """
        _, locations = self.call(*args, **{**kwargs, "return_locations": True})
        return {"locations": locations}

    def _get_first(self, first, batch):
        dtype = score_dtype(self.compute_dtype)
        if first is not None:
            return ops.clip(ops.cast(first, dtype), -1.0, 1.0)
        if self.start == "center":
            return ops.zeros((batch, 2), dtype)
        return keras.random.uniform((batch, 2), -1.0, 1.0, dtype=dtype, seed=self.seed_generator)

    def _step(self, images, center, state):
        """Take a glimpse; return the output and the state of the core."""
        pixels = glimpse(images, center, self.size, self.scales)
        is_integer = not keras.backend.is_float_dtype(images.dtype)
        pixels = ops.cast(pixels, self.compute_dtype) / (255 if is_integer else 1)
        pixels = ops.reshape(pixels, (-1, self.sensor.kernel.shape[0]))
        content = self.join_sensor(self.sensor(pixels))
        place = self.join_location(self.location(center))
        features = ops.relu(at_least_float32(content) + at_least_float32(place))
        features = saturate_cast(features, self.compute_dtype)
        if self.cell is not None:
            return self.cell(features, state)
        hidden = self.core(ops.concatenate([*state, features], axis=-1))
        return hidden, [hidden]

    def _compute_credit(self, log_probabilities, baselines):
        """Return the tensor for `reinforce`; see `credit`."""
        log_probability, baseline = ops.stack(log_probabilities, 1), ops.stack(baselines, 1)
        policy = ops.multiply(self.reward_weight, log_probability)
        with_cost = ops.sum(policy + baseline, axis=1)
        fixed = ops.stop_gradient(baseline)
        without_cost = ops.sum(fixed * policy + ops.square(baseline) / 2, axis=1)
        return credit(with_cost=with_cost, without_cost=without_cost)

    def _check_inputs(self, images, first):
        check_tensors("images", images)
        _check_shape(images.shape)
        width = self.scales * self.size**2 * images.shape[-1]
        if self.built and self.sensor.kernel.shape[0] != width:
            raise ValueError(
                "Expected `images` with the number of channels that the layer was built with. "
                f"Received: images of shape {tuple(images.shape)}"
            )
        if first is None:
            return
        check_tensors("first", first)
        batches = {images.shape[0], first.shape[0] if len(first.shape) else None} - {None}
        if len(first.shape) != 2 or first.shape[1] != 2 or len(batches) > 1:
            raise ValueError(
                "Expected `first` of shape (batch, 2), row and column in [-1, 1] for each image. "
                f"Received: first of shape {tuple(first.shape)}, images {tuple(images.shape)}"
            )

    def compute_output_spec(
        self,
        images: Tensor,
        first: Tensor | None = None,
        return_locations: bool = False,
        training: bool | None = None,
    ) -> Any:
        self._check_inputs(images, first)
        state = keras.KerasTensor((images.shape[0], self.units), self.compute_dtype)
        if not return_locations:
            return state
        shape = (images.shape[0], self.glimpses, 2)
        return state, keras.KerasTensor(shape, self.compute_dtype)

    def get_config(self) -> Config:
        cell = None if self.cell is None else keras.saving.serialize_keras_object(self.cell)
        return {
            **super().get_config(),
            "glimpses": self.glimpses,
            "size": self.size,
            "scales": self.scales,
            "units": self.units,
            "glimpse_units": self.glimpse_units,
            "locator_units": self.locator_units,
            "deviation": self.deviation,
            "cell": cell,
            "reward_weight": self.reward_weight,
            "start": self.start,
            "seed": self.seed,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }

    @classmethod
    def from_config(cls, config: Config) -> "RecurrentGlimpses":
        if isinstance(config.get("cell"), dict):
            config = {**config, "cell": keras.saving.deserialize_keras_object(config["cell"])}
        return cls(**config)


def _check_shape(shape):
    if len(shape) != 4 or None in shape[1:]:
        raise ValueError(
            "Expected `images` of shape (batch, H, W, C) with known H, W and C: resize or pad "
            f"images to one size. Received: images of shape {tuple(shape)}"
        )


class _SaturatingDense(keras.layers.Dense):
    """A Dense layer whose overflow in float16 is the largest number, not infinity.

    The next product of infinities would be NaN, and so would be all later locations.
    """

    def call(self, inputs, training=None):
        return self.activation(project(clip_input(inputs), self.kernel, self.bias))
