"""Memory addressing and writing: the steps of the Neural Turing Machine as functions."""

from keras_attention.memory.address import content, interpolate, sharpen, shift
from keras_attention.memory.write import add, erase

__all__ = ["add", "content", "erase", "interpolate", "sharpen", "shift"]
