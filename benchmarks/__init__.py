"""Measurements: each figure that README and docs quote comes from a command here."""
