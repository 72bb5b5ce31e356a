"""Straightforward implementations of the layers, as a user without this package writes them."""
