"""A memory that is written and read by address: the steps of the Neural Turing Machine."""

from keras_attention.memory.address import content, interpolate, sharpen, shift
from keras_attention.memory.write import add, erase

__all__ = ["add", "content", "erase", "interpolate", "sharpen", "shift"]
