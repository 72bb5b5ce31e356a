"""Build the self-contained page of a view: styles, scripts and data in one file."""

import base64
import html
import json
from importlib.resources import files
from typing import Any

import numpy as np

from keras_attention.visualize.characters import make_visible

PARTS = files("keras_attention.visualize.views") / "page"


def build_page(title: str, scripts: list[str], data: dict[str, Any]) -> str:
    """Return an HTML page that needs no other file.

    Args:
        title: The title of the page.
        scripts: Names of the scripts in the folder `page`, in their order of execution.
        data: The data of the scripts, which can be written as JSON.
    """
    styles = (PARTS / "view.css").read_text(encoding="utf-8")
    code = "\n".join((PARTS / name).read_text(encoding="utf-8") for name in scripts)
    # "<" is escaped, so that no token can end the script element.
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>
<style>
{styles}</style>
</head>
<body>
<main id="view" aria-label="{html.escape(title)}"></main>
<script type="application/json" id="data">{text}</script>
<script>
{code}</script>
</body>
</html>
"""


def encode_weights(weights: np.ndarray) -> str:
    """Return weights in [0, 1] as base64 text of one byte each, in steps of 1/255."""
    return encode_bytes(np.round(weights * 255).astype("uint8"))


def encode_bytes(array: np.ndarray) -> str:
    """Return the bytes of an array, in row-major order, as base64 text."""
    return base64.b64encode(array.tobytes()).decode("ascii")


def format_tokens(tokens: list[str]) -> list[str]:
    """Return the tokens with visible replacements for invisible characters."""
    return [make_visible(token) for token in tokens]
