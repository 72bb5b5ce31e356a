"""Step 2, mask: which keys are visible to which query.

Masks are bool, True = visible, and broadcastable to (B,Tq,Tk).
"""

from keras_attention.mask.around import around
from keras_attention.mask.causal import causal
from keras_attention.mask.combine import combine
from keras_attention.mask.hide import hide
from keras_attention.mask.padding import padding
from keras_attention.mask.span import span
from keras_attention.mask.visited import visited
from keras_attention.mask.window import window

__all__ = ["around", "causal", "combine", "hide", "padding", "span", "visited", "window"]
