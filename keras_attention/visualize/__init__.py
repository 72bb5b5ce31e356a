"""Pictures of attention weights."""

from keras_attention.visualize.heatmap import heatmap as heatmap
from keras_attention.visualize.memory_film import memory_film as memory_film
from keras_attention.visualize.text_heatmap import text_heatmap as text_heatmap
