"""Step 4, read: weights and values -> context (B,Tq,Dv)."""

from keras_attention.read.weighted_sum import weighted_sum

__all__ = ["weighted_sum"]
