"""Fast, memory-bounded implementations of the four steps: the same numbers as the plain steps."""

from keras_attention.kernels.scan import scan

__all__ = ["scan"]
