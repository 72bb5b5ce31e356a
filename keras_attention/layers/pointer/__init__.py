"""Pointer networks: teacher-forced log-probabilities and decoding in the graph."""
