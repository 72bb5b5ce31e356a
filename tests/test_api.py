"""The public API is the one that `tests/api.txt` lists."""

import difflib

import keras

from tests.write_api import LISTING, format_signature, list_api


def test_public_api_is_the_listed_one():
    listed, current = LISTING.read_text(encoding="utf-8"), list_api()
    changes = difflib.unified_diff(
        listed.splitlines(), current.splitlines(), "tests/api.txt", "the code", lineterm="", n=0
    )
    assert current == listed, (
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

    dense = f"{keras.layers.Dense.__module__}.Dense"
    assert format_signature(function) == f"(x, /, *args, rate=0.5, layer=<{dense}>)"
    assert format_signature(function, skip_first=True) == (f"(*args, rate=0.5, layer=<{dense}>)")
