"""Benchmarks: each figure that README and docs quote comes from a command in this package."""
