"""A colored text as a self-contained HTML page."""

import html

from keras_attention.visualize.characters import make_visible
from keras_attention.visualize.text_colors import MAX_OPACITY, SENTENCE_RGB


def to_html(sentences):
    """Return a page with one paragraph per `Sentence` and one colored span per word."""
    body = "\n".join(map(_format_paragraph, sentences))
    return (
        '<!DOCTYPE html>\n<meta charset="utf-8">\n<title>Attention</title>\n'
        '<div style="max-width: 50em; font: 16px/1.6 sans-serif; color: black; background: white">'
        f"\n{body}\n</div>\n"
    )


def _format_paragraph(sentence):
    """Return a sentence as a paragraph, with its bar as the left border."""
    bar = ""
    if sentence.bar is not None:
        bar = f" border-left: 0.8em solid {_format_color(SENTENCE_RGB, sentence.bar)};"
    spans = " ".join(
        f'<span style="background: {_format_color(rgb, color)}" title="{weight:.3f}">'
        f"{html.escape(make_visible(word))}</span>"
        for word, weight, color, rgb in zip(*sentence[:4], strict=True)
    )
    return f'<p style="margin: 0.2em; padding-left: 0.5em;{bar}">{spans}</p>'


def _format_color(rgb, strength):
    """Return the color in CSS notation."""
    return f"rgba({', '.join(map(str, rgb))}, {MAX_OPACITY * strength:.3f})"
