"""The papers' equations for whole layers, in float64 numpy and plain loops.

`test_fuzz.py` checks that nothing here imports the package.
"""
