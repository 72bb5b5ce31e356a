"""Benchmarks, whose commands measure all performance figures of the README and the docs."""
