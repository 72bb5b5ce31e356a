"""Straightforward implementations of the layers, as users write them without this package."""
