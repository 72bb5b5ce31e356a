"""Steps and loops where speed or a backend needs an own way; each equal to the plain one."""

from keras_attention.kernels.scan import scan

__all__ = ["scan"]
