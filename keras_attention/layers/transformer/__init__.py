"""Encoder and decoder blocks of the Transformer."""
