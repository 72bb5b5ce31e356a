"""Step 4, read: weights and values -> context (B,Tq,Dv)."""

from keras_attention.read.segment_sum import segment_sum
from keras_attention.read.weighted_sum import weighted_sum

__all__ = ["segment_sum", "weighted_sum"]
