"""Figures, HTML pages and terminal drawings of attention weights."""

from keras_attention.visualize.colored_text import colored_text as colored_text
from keras_attention.visualize.heatmap import heatmap as heatmap
from keras_attention.visualize.memory_film import memory_film as memory_film
from keras_attention.visualize.overlay import overlay as overlay
from keras_attention.visualize.text_heatmap import text_heatmap as text_heatmap
