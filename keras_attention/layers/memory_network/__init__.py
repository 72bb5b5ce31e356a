"""Layers of end-to-end memory networks: several hops over a memory, and bags of words."""
