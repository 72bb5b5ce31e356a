"""Pictures of attention weights."""

from keras_attention.visualize.heatmap import heatmap as heatmap
from keras_attention.visualize.text_heatmap import text_heatmap as text_heatmap
