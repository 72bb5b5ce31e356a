"""Decode a step function greedily, by beam search or by sampling: loops that can be exported."""

from keras_attention.decoding.beam_search import beam_search
from keras_attention.decoding.decoded import Decoded
from keras_attention.decoding.greedy import greedy
from keras_attention.decoding.sample import sample

__all__ = ["Decoded", "beam_search", "greedy", "sample"]
