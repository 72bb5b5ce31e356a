"""Signatures of a SavedModel: inputs, input checks, lengths, seeds, attention scores."""
