"""Callbacks for `model.fit` that record how a model's attention changes in training."""

from keras_attention.callbacks.attention_images import AttentionImages
from keras_attention.callbacks.attention_statistics import AttentionStatistics

__all__ = ["AttentionImages", "AttentionStatistics"]
