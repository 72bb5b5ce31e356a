"""Example requests for each signature: for checks, for warm-up and for the instructions."""
