"""Colors of a colored text: blue words and red bars, as in Yang et al. (2016), figure 5."""

BLUE, RED = (66, 133, 244), (219, 68, 55)
WORD_RGB, SENTENCE_RGB = BLUE, RED
# Opacity of the largest weight; black letters are readable on it.
MAX_OPACITY = 0.85


def choose_rgb(weight: float, is_signed: bool) -> tuple[int, int, int]:
    """Return the color of a word: red if its weight is signed and positive, else blue."""
    return RED if is_signed and weight > 0 else WORD_RGB
