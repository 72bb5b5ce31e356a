"""Blockwise dot-product attention on TensorFlow."""
