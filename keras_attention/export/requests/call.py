"""One call of a signature, in Python or in the C++ loader."""

from typing import NamedTuple

import keras
import numpy as np

from keras_attention.export.printable import shorten_error
from keras_attention.export.signatures.signature import Signature
from keras_attention.types import Tensor


class Call(NamedTuple):
    """A signature and an array for each of its inputs; `is_generated` if no user passed them."""

    signature: Signature
    inputs: dict[str, np.ndarray]
    is_generated: bool = False

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The inputs' shapes by name."""
        return {name: array.shape for name, array in self.inputs.items()}


def run_eagerly(call: Call) -> dict[str, Tensor]:
    """Run a call eagerly on the CPU, where the export runs too."""
    import tensorflow as tf

    with tf.device("CPU:0"):
        specs = call.signature.specs
        tensors = [tf.constant(call.inputs[spec.name], spec.dtype) for spec in specs]
        return call.signature.compute_outputs(*tensors)


def run_in_python(call: Call) -> dict[str, Tensor]:
    """Run a call eagerly; the Keras variables do not change."""
    with keras.StatelessScope():
        return run_eagerly(call)


def check_in_python(calls: list[Call]) -> None:
    """Raise a ValueError if the model itself rejects the inputs of a call."""
    for call in calls:
        try:
            run_in_python(call)
        except Exception as error:  # A model raises errors of any class.
            raise ValueError(
                f"Expected `example` to be valid for signature {call.signature.name!r}, which "
                f"fails in Python too. Received: inputs of shapes {call.shapes}. "
                f"The error: {shorten_error(error)}"
            ) from error
