"""Greedy and beam-search decoding of a step function: loops of ops that can be exported."""

from keras_attention.decoding.beam_search import beam_search
from keras_attention.decoding.decoded import Decoded
from keras_attention.decoding.greedy import greedy

__all__ = ["Decoded", "beam_search", "greedy"]
