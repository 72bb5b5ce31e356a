"""Step 4, read: weights and values -> context (B,Tq,Dv); or a location and an image -> a crop."""

from keras_attention.read.glimpse import glimpse
from keras_attention.read.segment_sum import segment_sum
from keras_attention.read.weighted_sum import weighted_sum

__all__ = ["glimpse", "segment_sum", "weighted_sum"]
