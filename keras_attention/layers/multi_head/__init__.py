"""Multi-head attention: projections, heads, key/value cache, weights from and to Keras."""
