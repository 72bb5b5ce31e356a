"""Compilation of every layer by XLA for a GPU, on machines with and without a GPU."""
