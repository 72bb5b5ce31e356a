"""Text that is safe to print: names in a SavedModel may hold a terminal's control characters."""

import re

MAX_MESSAGE = 1000  # characters


def to_printable(text: str) -> str:
    r"""Escape what is not printable, such as the start of an escape sequence, `\x1b`."""
    return "".join(
        character
        if character.isprintable()
        else character.encode("unicode_escape", "surrogatepass").decode()
        for character in text
    )


def shorten_error(error: Exception) -> str:
    """Return an error's message on one line, without the configurations that Keras quotes in it.

    Codes for a terminal's colors are removed, and all else that is not printable is escaped.
    """
    text = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", str(error)).split())
    # Keras puts the cause last, after the configuration of each object around it.
    text = text.rpartition("Exception encountered: ")[2].partition(" Full object config: ")[0]
    return to_printable(text if len(text) <= MAX_MESSAGE else text[:MAX_MESSAGE] + " …")
