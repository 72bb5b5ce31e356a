"""The pointer network's decoder and its decoding loop."""
