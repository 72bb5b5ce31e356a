"""Blockwise dot-product attention on JAX."""
