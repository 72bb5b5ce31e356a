"""Make every character of a token visible, and measure text in terminal columns."""

import re
import unicodedata

# General categories of characters without a glyph: controls, formats, surrogates, line and
# paragraph separators, spaces. Private-use and unassigned characters are left to the font.
INVISIBLE_CATEGORIES = ("Cc", "Cf", "Cs", "Zl", "Zp", "Zs")
# Fillers are drawn blank although their categories are those of letters, marks and symbols.
BLANK_FILLERS = "\u034f\u115f\u1160\u2800\u3164\uffa0"
# Zero-width (non-)joiners inside a token are part of the spelling of a word or an emoji.
JOINERS = "\u200c\u200d"


def make_visible(token: str) -> str:
    """Return the token with a visible replacement for every invisible character.

    Leading and trailing spaces become open boxes, an empty token becomes the empty-set sign, and a
    leading combining mark gets a dotted circle as its base. Control and format characters, and all
    spaces other than U+0020, are replaced by their code points. Zero-width joiners inside the token
    are kept.
    """
    if not token:
        return "\u2205"
    text = re.sub("^ +| +$", lambda spaces: "\u2423" * len(spaces[0]), token)
    last = len(text) - 1
    text = "".join(
        code_point(character) if is_invisible(character, 0 < index < last) else character
        for index, character in enumerate(text)
    )
    return "\u25cc" + text if unicodedata.category(text[0]).startswith("M") else text


def is_invisible(character: str, is_inner: bool) -> bool:
    """Return True if the character draws nothing.

    Args:
        character: One character of a token.
        is_inner: Whether it is neither the first nor the last character of the token.
    """
    if character == " " or (character in JOINERS and is_inner):
        return False
    return character in BLANK_FILLERS or unicodedata.category(character) in INVISIBLE_CATEGORIES


def code_point(character: str) -> str:
    """Return the code point in Unicode notation, such as U+65E5."""
    return f"U+{ord(character):04X}"


def split_graphemes(text: str) -> list[str]:
    """Split text into graphemes: characters with their combining marks, emoji, flags."""
    return list(_import_wcwidth().iter_graphemes(text))


def terminal_width(text: str) -> int:
    """Return the number of terminal columns that text without control characters takes."""
    return _import_wcwidth().wcswidth(text)


def _import_wcwidth():
    try:
        import wcwidth
    except ImportError as error:
        raise ImportError(
            "Expected `wcwidth` to be installed, because it measures the width of text. "
            "Install it with `pip install 'keras-attention-layers[visualize]'` or "
            "`pip install wcwidth`."
        ) from error
    return wcwidth
