"""Explanations of a model's output: the input positions that it depends on."""

from keras_attention.explain.rollout import rollout
from keras_attention.explain.saliency import saliency

__all__ = ["rollout", "saliency"]
