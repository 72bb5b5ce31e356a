"""One process for all calls of TensorFlow's C++ loader, in place of a new process for each.

`fresh_process.run_calls` starts a Python process for every list of calls, and every export checks
itself that way: a second each time, most of it for imports. Tests that do not check that
process itself share one. It loads the SavedModel again for every list of calls; like the original,
it has neither Keras nor TensorFlow's Python, and XLA is switched off.
"""
