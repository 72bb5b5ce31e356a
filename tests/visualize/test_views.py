"""Views of heads: their arguments, data, files and pictures. Their pages run in a browser test."""

import base64
import json
import os
import re

import numpy as np
import pytest
from keras import ops
from matplotlib import pyplot
from matplotlib.collections import LineCollection

from keras_attention.visualize import View, head_view, model_view, neuron_view
from keras_attention.visualize.views.colors import HEAD_COLORS

TOKENS = ["the", "old", "<script>", "man"]
VIEWS = [head_view, model_view]


def make_weights(*shape):
    scores = np.exp(2 * np.random.default_rng(0).normal(size=shape))
    return scores / scores.sum(-1, keepdims=True)


def read_data(view):
    """Return the data of a page, and its weights between 0 and 1."""
    data = json.loads(
        re.search('<script type="application/json"[^>]*>(.*?)</script>', view.page)[1]
    )
    weights = np.frombuffer(base64.b64decode(data["weights"]), "uint8")
    shape = len(data["layers"]), data["heads"], len(data["queries"]), len(data["keys"])
    return data, weights.reshape(shape) / 255


def draw_neurons(**options):
    vectors = np.random.default_rng(1).normal(size=(2, 4, 6))
    return neuron_view(vectors, vectors, TOKENS, **options)


@pytest.mark.parametrize("make_view", VIEWS)
@pytest.mark.parametrize(
    ("wrap", "names"),
    [
        (lambda w: list(w), ["layer 0", "layer 1"]),
        (lambda w: [layer[None] for layer in w], ["layer 0", "layer 1"]),
        (lambda w: [ops.convert_to_tensor(layer) for layer in w], ["layer 0", "layer 1"]),
        (lambda w: {"encoder/a": w[0][None], "encoder/b": w[1]}, ["encoder/a", "encoder/b"]),
        (lambda w: {"shared": list(w)}, ["shared, call 0", "shared, call 1"]),
    ],
)
def test_weights_of_layers_are_taken_in_every_form(make_view, wrap, names):
    weights = make_weights(2, 3, 4, 4).astype("float32")
    data, stored = read_data(make_view(wrap(weights), TOKENS))
    assert data["layers"] == names and data["queries"] == data["keys"] == TOKENS
    np.testing.assert_allclose(stored, weights, atol=0.5001 / 255)


@pytest.mark.parametrize("make_view", VIEWS)
def test_one_layer_or_head_may_be_an_array_or_nested_lists(make_view):
    weights = make_weights(1, 2, 4, 3)
    keys = ["der", "alte", "Mann"]
    for form in (weights, weights[0], weights[0].tolist()):
        data, stored = read_data(make_view(form, TOKENS, keys))
        assert (data["layers"], data["keys"]) == (["layer 0"], keys)
        np.testing.assert_allclose(stored, weights, atol=0.5001 / 255)
    assert read_data(make_view(weights[0, 0], TOKENS, keys))[1].shape == (1, 1, 4, 3)


@pytest.mark.parametrize("make_view", VIEWS)
def test_padding_without_tokens_is_left_out(make_view):
    weights = make_weights(2, 4, 4)
    data, stored = read_data(make_view(weights, TOKENS[:3]))
    np.testing.assert_allclose(stored[0], weights[:, :3, :3], atol=0.5001 / 255)
    assert data["queries"] == TOKENS[:3]


@pytest.mark.parametrize("make_view", VIEWS)
def test_page_is_small_and_loads_nothing(make_view):
    page = make_view(list(make_weights(12, 12, 30, 30)), ["word"] * 30).page
    assert len(page.encode()) < 250_000
    assert not re.search(r"\bsrc=|\bhref=|@import|url\(|fetch\(|XMLHttpRequest", page)
    assert set(re.findall(r"https?://[^\"]*", page)) <= {"http://www.w3.org/2000/svg"}


def test_tokens_cannot_end_the_script_and_invisible_characters_are_shown():
    tokens = ["</script><script>alert(1)</script>", "<!--", "", "\u202e"]
    view = head_view(np.eye(4), tokens)
    assert view.page.count("<script") == 2 and view.page.count("</script>") == 2
    assert "<!--" not in view.page
    assert read_data(view)[0]["queries"] == [*tokens[:2], "\u2205", "U+202E"]


def test_notebooks_show_the_page_in_a_frame():
    view = head_view(np.eye(4), TOKENS)
    assert isinstance(view, View)
    text = view._repr_html_()
    assert text.startswith("<iframe srcdoc=") and "<script" not in text


@pytest.mark.parametrize("make_view", [*VIEWS, neuron_view])
def test_page_and_pictures_are_written_atomically(make_view, tmp_path):
    arguments = (np.eye(4), np.eye(4)) if make_view is neuron_view else (np.eye(4),)
    figures = pyplot.get_fignums()
    view = make_view(*arguments, TOKENS, path=tmp_path / "a" / "view.html")
    for suffix, start in ((".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")):
        view.save(str(tmp_path / "a" / f"view{suffix}"))
        assert (tmp_path / "a" / f"view{suffix}").read_bytes().startswith(start)
    assert (tmp_path / "a" / "view.html").read_text(encoding="utf-8") == view.page
    assert len(os.listdir(tmp_path / "a")) == 4
    assert pyplot.get_fignums() == figures


def test_head_picture_has_the_lines_of_the_chosen_heads():
    weights = make_weights(2, 3, 4, 4)
    figure = head_view(list(weights), TOKENS, layer=1, heads=[2, 0], threshold=0.2).draw()
    lines = [c for c in figure.axes[0].collections if isinstance(c, LineCollection)]
    for collection, head in zip(lines, [2, 0], strict=True):
        drawn = weights[1, head][weights[1, head] >= 0.2]
        np.testing.assert_allclose(np.array(collection.get_colors())[:, 3], drawn, rtol=1e-6)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == [*TOKENS, *TOKENS, "layer 1, heads", "2", "0"]
    width, height = figure.get_size_inches() * figure.dpi
    for text in figure.axes[0].texts:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height


@pytest.mark.parametrize("shape", [(1, 1, 1), (6, 8, 40)])
def test_model_picture_has_every_weight(shape):
    weights = make_weights(*shape, shape[-1])
    mosaic = model_view(list(weights), ["w"] * shape[-1]).draw().axes[0].images[0].get_array()
    assert np.ma.count(np.ma.masked_invalid(mosaic)) == weights.size
    np.testing.assert_allclose(np.nansum(mosaic), weights.sum(), rtol=1e-5)


def test_neuron_picture_has_the_weights_of_the_query():
    mask = np.tril(np.ones((4, 4), bool))
    vectors = np.random.default_rng(1).normal(size=(2, 4, 6))
    figure = draw_neurons(mask=mask, head=1, token=2).draw()
    products, scores, weights = figure.axes[2], figure.axes[3], figure.axes[4]
    expected = vectors[1, 2] * vectors[1]
    np.testing.assert_allclose(products.images[0].get_array(), expected, rtol=1e-6)
    drawn = [bar.get_width() for bar in scores.patches]
    np.testing.assert_allclose(drawn[:3], expected.sum(-1)[:3] / np.sqrt(6), rtol=1e-6)
    powers = np.exp(expected.sum(-1)[:3] / np.sqrt(6))
    drawn = [bar.get_width() for bar in weights.patches]
    np.testing.assert_allclose(drawn, [*(powers / powers.sum()), 0], rtol=1e-6)


def test_colors_are_the_same_in_pages_and_pictures():
    for color in HEAD_COLORS:
        assert color in head_view(np.eye(4), TOKENS).page


@pytest.mark.parametrize("make_view", VIEWS)
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(4), r"shape \(4,\)"),
        (np.full((2, 3, 4, 4), 0.25), r"one example of the batch, weights\[0\].*\(2, 3, 4, 4\)"),
        (np.ones((1, 1, 2, 4, 4)), r"shape \(1, 1, 2, 4, 4\)"),
        (np.full((4, 4), np.nan), "`weights` to be finite"),
        (np.full((4, 4), 1.5), "`weights` between 0 and 1"),
        (np.ones((0, 4, 4)), r"shape \(0, 4, 4\)"),
        ("weights", "array of real numbers"),
        ([], "at least one layer"),
        ({}, "at least one layer"),
        ([np.eye(4), np.eye(3)], "same shape.*'layer 1': .1, 3, 3."),
    ],
)
def test_weights_that_cannot_be_drawn_are_refused(make_view, weights, message):
    with pytest.raises(ValueError, match=message):
        make_view(weights, TOKENS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tokens": [*TOKENS, "x"]}, "`tokens` to hold 1 to 4 tokens.*5 tokens"),
        ({"tokens": []}, "0 tokens"),
        ({"tokens": [1, 2]}, "`tokens` to hold strings"),
        ({"tokens": 5}, "tokens=5"),
        ({"other_tokens": list("abcde")}, "`other_tokens` to hold 1 to 4"),
        ({"weights": np.ones((4, 3)) / 3}, "Expected `other_tokens`.*4 queries, 3 keys"),
        ({"layer": 1}, "`layer` to be an integer from 0 to 0.*layer=1"),
        ({"layer": True}, "layer=True"),
        ({"heads": [0, 1]}, "`heads` to be an integer from 0 to 0.*heads=1"),
        ({"heads": 1}, "heads=1"),
        ({"threshold": -0.1}, "threshold=-0.1"),
        ({"threshold": "0"}, "threshold='0'"),
        ({"path": "view.jpg"}, "'.html', '.png'.*view.jpg"),
    ],
)
def test_invalid_arguments_of_the_head_view_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        head_view(**{"weights": np.eye(4), "tokens": TOKENS, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"query": np.ones((3, 4, 6))}, r"multiple.*query \(1, 3, 4, 6\), key \(1, 2, 4, 6\)"),
        ({"query": np.ones((2, 4, 5))}, r"same width.*query \(1, 2, 4, 5\)"),
        ({"query": [np.ones((2, 4, 6))] * 2}, r"number of layers.*\(2, 2, 4, 6\)"),
        ({"query": np.full((2, 4, 6), np.inf)}, "`query` to be finite"),
        ({"key": np.ones(6)}, r"`key` of each layer.*\(6,\)"),
        ({"key": np.ones((2, 5, 6))}, "Expected `other_tokens`.*4 queries, 5 keys"),
        ({"mask": np.ones((3, 4))}, r"`mask` to be broadcastable to \(4, 4\).*\(3, 4\)"),
        ({"token": 4}, "`token` to be an integer from 0 to 3"),
        ({"head": -1}, "head=-1"),
    ],
)
def test_invalid_arguments_of_the_neuron_view_are_refused(options, message):
    vectors = np.ones((2, 4, 6))
    with pytest.raises(ValueError, match=message):
        neuron_view(**{"query": vectors, "key": vectors, "tokens": TOKENS, **options})
