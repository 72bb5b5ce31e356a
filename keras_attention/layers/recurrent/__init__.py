"""Recurrent decoders that attend at every step."""
