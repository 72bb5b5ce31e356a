"""Attention over the neighbors of a node in a graph."""
