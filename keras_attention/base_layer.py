"""Base class of the package's layers and scores: freezing of sub-layers, and no quantization."""

import functools
from typing import Any

import keras


class BaseLayer(keras.layers.Layer):
    """A Keras layer whose `trainable=False` also freezes the sub-layers that `build` creates.

    Keras checks the trainable flag of each variable. A constructor's `trainable=False` and a flag
    from a `.keras` file set only the layer's own flag, and an attribute that is set before `build`
    does not reach sub-layers that `build` creates. So a frozen layer sets its flag again at the end
    of `build`: Keras's setter passes it on to every sub-layer and variable. A trainable layer
    leaves its sub-layers alone, so that a frozen cell in a trainable decoder stays frozen.

    The `build` of every subclass does this automatically.
    """

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        if "build" in vars(cls):
            cls.build = _freeze_after(cls.build)

    def quantize(self, *args: Any, **kwargs: Any) -> None:
        """Raise an error, because the layer's own weights cannot be quantized.

        `Model.quantize` turns the error into a warning, and still quantizes the layer's sub-layers
        of Keras, such as `Dense`.
        """
        # `Model.quantize` calls this method of sub-layers, such as a score. The path of a sub-layer
        # contains the name of the outer layer, which the user knows.
        raise NotImplementedError(
            f"{(self.path or self.name)!r} does not support `quantize`: the weights of attention "
            "layers and scores cannot be quantized. To quantize a multi-head layer, convert it "
            "first: keras_attention.multi_head_to_keras."
        )


def _freeze_after(build):
    @functools.wraps(build)
    def build_and_freeze(self, *args, **kwargs):
        build(self, *args, **kwargs)
        if not self.trainable:
            # Keras's setter is called directly, because on TensorFlow an assignment of the value
            # that an attribute already has does nothing.
            keras.layers.Layer.trainable.fset(self, False)

    return build_and_freeze
