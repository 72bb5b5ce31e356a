"""Local attention: the scores of each query with a window of keys only."""
