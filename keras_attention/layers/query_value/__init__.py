"""Layers called as `layer([query, value, key])`: score, mask, normalize, read."""
