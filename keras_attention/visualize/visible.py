"""Tokens as they can be seen on paper and in a terminal."""

import unicodedata


def visible(token):
    """The token with what is invisible made visible.

    A space alone is drawn as an open box, a combining mark alone on a dotted circle, and control
    characters, line ends among them, by their number.
    """
    if token == " ":
        return "\u2423"
    text = "".join(
        numbered(c) if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in token
    )
    return "\u25cc" + text if unicodedata.category(text[:1] or " ").startswith("M") else text


def numbered(character):
    """The code point in the Unicode notation, such as U+65E5."""
    return f"U+{ord(character):04X}"


def letters(text):
    """The text's characters, each with the marks that are written over it."""
    found = []
    for character in text:
        if found and width(character) == 0:
            found[-1] += character
        else:
            found.append(character)
    return found


def width(text):
    """How many columns of a terminal the text takes."""
    return sum(
        0
        if unicodedata.category(c)[0] == "M" or unicodedata.category(c) == "Cf"
        else 2
        if unicodedata.east_asian_width(c) in ("W", "F")
        else 1
        for c in text
    )
