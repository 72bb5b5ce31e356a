"""Sinusoidal position encoding and rotary position embedding."""
