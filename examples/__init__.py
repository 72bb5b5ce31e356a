"""One runnable file for each system of the literature."""
