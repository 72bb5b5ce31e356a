"""The papers' equations for whole layers, in float64 numpy and plain loops.

Nothing here imports the package: `test_references.py` checks it.
"""
