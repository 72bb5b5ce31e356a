"""Version directories: publish them atomically, label and prune them, remove leftovers."""
