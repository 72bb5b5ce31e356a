"""Compare the public API with its listing, `tests/api.txt`."""

import difflib

import keras

from tests.write_api import LISTING, format_signature, list_api


def compare(listed, current):
    """Return the lines that were removed, with a minus sign, and those that were added."""
    lines = difflib.unified_diff(listed.splitlines(), current.splitlines(), lineterm="", n=0)
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def test_changes_are_found():
    assert compare("f(x)\ng()\n", "f(x, y)\ng()\n") == ["-f(x)", "+f(x, y)"]
    assert not compare("f(x)\n", "f(x)\n")


def test_public_api_matches_the_listing():
    changes = compare(LISTING.read_text(encoding="utf-8"), list_api())
    assert not changes, (
        "The public API differs from tests/api.txt. If that is intended, follow "
        "docs/compatibility.md and run `python -m tests.write_api`.\n" + "\n".join(changes)
    )


def test_listing_names_layers_functions_and_methods():
    names = {line.split("(")[0] for line in list_api().splitlines()}
    assert {
        "keras_attention.Attention",
        "keras_attention.Attention.call",
        "keras_attention.MultiHeadSelfAttention.get_initial_cache",
        "keras_attention.PointerDecoder.decode",
        "keras_attention.decoding.beam_search",
        "keras_attention.visualize.heatmap",
    } <= names
    assert "keras_attention.Attention.get_config" not in names


def test_decorated_normalizer_is_listed_with_its_mask():
    assert "keras_attention.normalize.softmax(scores, mask=None" in list_api()


def test_signature_has_names_kinds_and_defaults_without_annotations():
    def function(x: int, /, *args: str, rate: float = 0.5, layer=keras.layers.Dense) -> None: ...

    assert format_signature(function) == "(x, /, *args, rate=0.5, layer=<Dense>)"
    assert format_signature(function, skip_first=True) == "(*args, rate=0.5, layer=<Dense>)"
