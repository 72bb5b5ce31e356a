"""Text that is safe to print: names in a SavedModel may hold a terminal's control characters."""


def to_printable(text: str) -> str:
    r"""Escape what is not printable, such as the start of an escape sequence, `\x1b`."""
    return "".join(
        character
        if character.isprintable()
        else character.encode("unicode_escape", "surrogatepass").decode()
        for character in text
    )
