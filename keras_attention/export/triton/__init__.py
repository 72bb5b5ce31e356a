"""Serve an export by NVIDIA's Triton Inference Server, through TensorFlow's C library."""
