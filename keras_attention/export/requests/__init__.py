"""Example requests of a signature: made up, written as warm-up, shown in instructions."""
