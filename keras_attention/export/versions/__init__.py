"""Version directories: published atomically, labelled, pruned, and cleaned of leftovers."""
