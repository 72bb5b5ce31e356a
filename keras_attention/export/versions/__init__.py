"""Version directories: published atomically, labelled, pruned, cleaned of leftovers."""
