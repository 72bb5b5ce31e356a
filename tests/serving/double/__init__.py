"""A stand-in for tensorflow_model_server, where there is none: for tests only.

It takes the real server's flags, speaks its two protocols on the loopback interface (gRPC by the
official stubs, REST by `http.server`), watches the versions as the real one does, and answers by
TensorFlow's C++ loader with XLA switched off, without Keras and without TensorFlow's Python. What
is TensorFlow's is real here, and what is TensorFlow Serving's is imitated: its batching not at all.
"""
