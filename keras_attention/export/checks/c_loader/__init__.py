"""Run a SavedModel through TensorFlow's C API, without Keras and without TensorFlow's Python.

TensorFlow Serving loads a SavedModel with the same C++ code, and starts with XLA disabled.
A signature that answers here therefore answers there; one that needs the model's Python code, or
XLA, fails here first.

`__main__.py` is run by its path, in a process of its own (see `export/checks/fresh_process.py`).
"""
