"""From a step function to sentences: loops of pure ops, inside the graph, exportable."""

from keras_attention.decoding.beam_search import beam_search
from keras_attention.decoding.decoded import Decoded
from keras_attention.decoding.greedy import greedy

__all__ = ["Decoded", "beam_search", "greedy"]
