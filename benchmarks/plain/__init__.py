"""What the layers compute, written the usual way: what a user without them would have."""
