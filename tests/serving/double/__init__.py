"""A stand-in for tensorflow_model_server, for tests on a machine that does not have it.

It takes the real server's flags, implements its two protocols on the loopback interface (gRPC with
the official stubs, REST with `http.server`), and watches the versions as the real one does.
TensorFlow's C++ loader computes the answers, with XLA switched off, without Keras and without
TensorFlow's Python. TensorFlow's part is therefore the real one; TensorFlow Serving's part is
imitated, without its batching.
"""
