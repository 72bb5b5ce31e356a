"""The data that the examples learn from."""
