"""NVIDIA's Triton Inference Server, of the package `nvidia-pytriton`, and a client."""
