"""Figures, HTML pages and terminal drawings of attention weights."""

from keras_attention.visualize.colored_text import colored_text
from keras_attention.visualize.glimpses import glimpses
from keras_attention.visualize.graph import graph
from keras_attention.visualize.heatmap import heatmap
from keras_attention.visualize.memory_film import memory_film
from keras_attention.visualize.overlay import overlay
from keras_attention.visualize.series import series
from keras_attention.visualize.text_heatmap import text_heatmap
from keras_attention.visualize.views.head_view import head_view
from keras_attention.visualize.views.model_view import model_view
from keras_attention.visualize.views.neuron_view import neuron_view
from keras_attention.visualize.views.view import View

__all__ = [
    "View",
    "colored_text",
    "glimpses",
    "graph",
    "head_view",
    "heatmap",
    "memory_film",
    "model_view",
    "neuron_view",
    "overlay",
    "series",
    "text_heatmap",
]
