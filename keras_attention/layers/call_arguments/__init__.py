"""Checks and normalizes the arguments of a call: inputs, masks, biases, positions."""
