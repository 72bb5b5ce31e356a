"""One process for all calls of TensorFlow's C++ loader, in place of a new process for each.

`fresh_process.run_calls` starts a Python process for every list of calls, and every export checks
itself that way: a second each time, most of it for imports. The tests that are not about that
process share one, which loads the SavedModel anew for every list of calls and, like the original,
has neither Keras nor TensorFlow's Python and has XLA switched off.
"""
