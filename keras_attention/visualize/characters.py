"""Tokens as they can be seen on paper and in a terminal."""

import re
import unicodedata

# Control and format characters, halves of a pair, ends of lines, spaces; of private use and
# unassigned ones the font knows whether they can be drawn.
UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp", "Zs")
BLANKS = "\u034f\u115f\u1160\u2800\u3164\uffa0"  # fillers, which count as letters or marks
JOINERS = "\u200c\u200d"  # between two characters they are how a word, or an emoji, is spelled
FLAG_HALVES = range(0x1F1E6, 0x1F200)


def visible(token):
    """The token with what is invisible made visible.

    Spaces at the ends are drawn as open boxes, the empty token as the empty set, a combining mark
    alone on a dotted circle. Other spaces than the usual one, control and format characters are
    drawn by their number; but for the two joiners between other characters, which are spelling.
    """
    if not token:
        return "\u2205"
    text = re.sub("^ +| +$", lambda spaces: "\u2423" * len(spaces[0]), token)
    last = len(text) - 1
    text = "".join(
        numbered(character) if is_unseen(character, 0 < index < last) else character
        for index, character in enumerate(text)
    )
    return "\u25cc" + text if unicodedata.category(text[0]).startswith("M") else text


def is_unseen(character, between):
    """Whether there is nothing to see of a character, which stands `between` others."""
    if character == " " or (character in JOINERS and between):
        return False
    return character in BLANKS or unicodedata.category(character) in UNSEEN


def numbered(character):
    """The code point in the Unicode notation, such as U+65E5."""
    return f"U+{ord(character):04X}"


def letters(text):
    """The text's characters, each with the marks that are written over it; a flag is one."""
    found = []
    for character in text:
        if found and (width(character) == 0 or is_flag(found[-1] + character)):
            found[-1] += character
        else:
            found.append(character)
    return found


def is_flag(pair):
    """Whether these are the two halves of a flag."""
    return len(pair) == 2 and all(ord(half) in FLAG_HALVES for half in pair)


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
