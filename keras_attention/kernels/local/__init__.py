"""Local attention: each query is scored against a window of keys only."""
