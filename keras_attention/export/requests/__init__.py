"""Example requests for each signature: generated, written as warm-up, shown in instructions."""
