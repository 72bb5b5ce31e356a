"""Finds, among the installed fonts, those that have a text's characters."""

import functools

from keras_attention.visualize.characters import numbered

NO_CHARACTER = 0x10FFFF  # only a font that draws a box for everything has a glyph for it


def drawable(text):
    """Returns (text, font families) that matplotlib can draw without an empty box.

    The families are the default ones, then those of other fonts that the text needs. What no
    installed font has is replaced by its number, `U+65E5`; of several in a row, the first's and an
    ellipsis.
    """
    from matplotlib import rcParams

    default = tuple(rcParams["font.family"])
    families, drawn, missing = list(default), [], False
    for character in text:
        family = family_with(character, default)
        if family:
            families.append(family)
            drawn.append(character)
        elif not missing:
            drawn.append(numbered(character))
        elif drawn[-1] != "\u2026":
            drawn.append("\u2026")
        missing = not family
    return "".join(drawn), list(dict.fromkeys(families))


def family_with(character, default):
    """The first family that has the character, the default ones and DejaVu Sans before others."""
    from matplotlib import font_manager

    fonts = font_manager.fontManager.ttflist
    upright = {font.name for font in fonts if (font.weight, font.style) == (400, "normal")}
    families = (*default, "DejaVu Sans", *sorted(upright))
    return next((f for f in families if ord(character) in characters_of(f)), None)


def characters_of(family):
    """The code points that the family's regular font can draw; none if it is not installed."""
    from matplotlib import font_manager

    properties = font_manager.FontProperties(family=[family])
    try:
        return characters_in(font_manager.findfont(properties, fallback_to_default=False))
    except (OSError, RuntimeError, ValueError):  # not installed, or a broken file
        return frozenset()


@functools.cache
def characters_in(path):
    """The code points that a font file can draw; none if it draws a box for everything."""
    from matplotlib import font_manager

    font = font_manager.get_font(path)
    draws_boxes = font.get_char_index(NO_CHARACTER) != 0
    return frozenset() if draws_boxes else frozenset(font.get_charmap())
