"""Checks that a Keras attention layer keeps the promises of this package's layers."""

from keras_attention.testing.calls import call_query_value, request_scores
from keras_attention.testing.case import LayerCase
from keras_attention.testing.check_layer import check_layer, list_checks

__all__ = ["LayerCase", "call_query_value", "check_layer", "list_checks", "request_scores"]
