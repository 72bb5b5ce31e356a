"""Figures, HTML pages and terminal drawings of attention weights."""

from keras_attention.visualize.colored_text import colored_text
from keras_attention.visualize.glimpses import glimpses
from keras_attention.visualize.graph import graph
from keras_attention.visualize.heatmap import heatmap
from keras_attention.visualize.memory_film import memory_film
from keras_attention.visualize.overlay import overlay
from keras_attention.visualize.text_heatmap import text_heatmap

__all__ = [
    "colored_text",
    "glimpses",
    "graph",
    "heatmap",
    "memory_film",
    "overlay",
    "text_heatmap",
]
