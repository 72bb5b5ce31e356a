"""Run a SavedModel through TensorFlow's C API, without Keras and without TensorFlow's Python.

TensorFlow Serving loads a SavedModel with the same C++ code, and starts with XLA disabled.
A signature that runs here therefore runs in a server; one that needs the model's Python code or
XLA fails here, before it is served.

`__main__.py` is run by its path, in a process of its own (see `export/checks/fresh_process.py`).
"""
