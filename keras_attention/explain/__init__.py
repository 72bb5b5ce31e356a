"""Explanations of a model's output: the input positions that it depends on."""

from keras_attention.explain.agreement import Agreement, agreement
from keras_attention.explain.deletion import deletion
from keras_attention.explain.flow import flow
from keras_attention.explain.jacobian import jacobian
from keras_attention.explain.rollout import rollout
from keras_attention.explain.saliency import saliency

__all__ = ["Agreement", "agreement", "deletion", "flow", "jacobian", "rollout", "saliency"]
