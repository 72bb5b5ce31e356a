"""Transformer encoder and decoder blocks."""
