"""Additive (Bahdanau) scores and attention without the `(batch, Tq, Tk, units)` tensor."""
