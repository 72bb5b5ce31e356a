"""Dot-product attention without the `(batch, heads, Tq, Tk)` tensor."""
