"""Positions: sinusoidal encoding and rotary embedding."""
