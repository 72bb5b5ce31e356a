"""Choose installed fonts that have a glyph for every character of a text."""

import functools

from keras_attention.visualize.characters import code_point

# Only a fallback font, which draws a box for every code point, has a glyph for a noncharacter.
NONCHARACTER = 0x10FFFF


def choose_fonts(text: str) -> tuple[str, list[str]]:
    """Return the text and the font families with which matplotlib draws it without empty boxes.

    The families are the default ones, followed by the other fonts that the text needs. A character
    that no installed font has is replaced by its code point, such as `U+65E5`. A run of such
    characters is replaced by the code point of the first one and an ellipsis.
    """
    from matplotlib import rcParams

    default = tuple(rcParams["font.family"])
    families, parts, is_missing = list(default), [], False
    for character in text:
        family = find_family(character, default)
        if family:
            families.append(family)
            parts.append(character)
        elif not is_missing:
            parts.append(code_point(character))
        elif parts[-1] != "\u2026":
            parts.append("\u2026")
        is_missing = not family
    return "".join(parts), list(dict.fromkeys(families))


def find_family(character: str, default: tuple[str, ...]) -> str | None:
    """Return the first family that has the character, or None.

    The default families come first, then DejaVu Sans, then all other installed families.
    """
    from matplotlib import font_manager

    fonts = font_manager.fontManager.ttflist
    upright = {font.name for font in fonts if (font.weight, font.style) == (400, "normal")}
    families = (*default, "DejaVu Sans", *sorted(upright))
    return next((f for f in families if ord(character) in get_family_characters(f)), None)


def get_family_characters(family: str) -> frozenset[int]:
    """Return the code points in the family's regular font; an empty set if it is not installed."""
    from matplotlib import font_manager

    properties = font_manager.FontProperties(family=[family])
    try:
        return _load_font_characters(font_manager.findfont(properties, fallback_to_default=False))
    except (OSError, RuntimeError, ValueError):  # The font is not installed, or its file is broken.
        return frozenset()


@functools.cache
def _load_font_characters(path):
    """Return the code points in a font file; an empty set if it draws only boxes."""
    from matplotlib import font_manager

    font = font_manager.get_font(path)
    has_only_boxes = font.get_char_index(NONCHARACTER) != 0
    return frozenset() if has_only_boxes else frozenset(font.get_charmap())
