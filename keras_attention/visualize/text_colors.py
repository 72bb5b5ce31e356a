"""Colors of a colored text: blue words and red bars, as in Yang et al. (2016), figure 5."""

WORD_RGB, SENTENCE_RGB = (66, 133, 244), (219, 68, 55)
# Opacity of the largest weight; black letters are readable on it.
MAX_OPACITY = 0.85
