"""Colored text draws every word, colored by its weight."""

import os
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from keras import ops
from matplotlib import pyplot
from matplotlib.patches import Rectangle

from keras_attention.visualize import colored_text
from keras_attention.visualize.sentences import parse_sentences
from keras_attention.visualize.text_colors import MAX_OPACITY
from keras_attention.visualize.text_figure import draw_text

SENTENCES = [["what", "a", "bore", "."], ["avoid", "!"]]
WEIGHTS = [[0.1, 0.2, 0.6, 0.1], [0.5, 0.5]]
SENTENCE_WEIGHTS = [0.25, 0.75]


class Page(HTMLParser):
    """A parsed page: [word, opacity] of each span, the opacities of bars, the unclosed tags."""

    def __init__(self, page):
        super().__init__()
        self.words, self.bars, self.open_tags = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        opacity = re.search(r"rgba\(.*, (.*)\)", dict(attributes).get("style") or "")
        if tag == "span":
            self.words.append(["", float(opacity[1])])
        if tag == "p" and opacity:
            self.bars.append(float(opacity[1]))
        if tag != "meta":
            self.open_tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open_tags.pop() == tag

    def handle_data(self, data):
        if "span" in self.open_tags:
            self.words[-1][0] += data


def get_boxes(figure):
    """Return (height, opacity) of each colored box."""
    patches = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    return [(patch.get_height(), patch.get_alpha()) for patch in patches]


def test_word_color_is_proportional_to_its_weight():
    page = Page(colored_text([0.1, 0.4, 0.2], ["not", "bad", "!"]))
    assert [word for word, _ in page.words] == ["not", "bad", "!"]
    opacities = [opacity for _, opacity in page.words]
    np.testing.assert_allclose(
        opacities, [MAX_OPACITY / 4, MAX_OPACITY, MAX_OPACITY / 2], atol=1e-3
    )
    assert page.bars == [] and page.open_tags == []


def test_word_color_is_scaled_by_the_root_of_the_sentence_weight_as_in_the_paper():
    page = Page(colored_text(WEIGHTS, SENTENCES, SENTENCE_WEIGHTS))
    strengths = np.array([0.1 * 0.5, 0.2 * 0.5, 0.6 * 0.5, 0.1 * 0.5] + [0.5 * 0.75**0.5] * 2)
    opacities = [opacity for _, opacity in page.words]
    np.testing.assert_allclose(opacities, MAX_OPACITY * strengths / strengths.max(), atol=1e-3)
    np.testing.assert_allclose(page.bars, [MAX_OPACITY / 3, MAX_OPACITY], atol=1e-3)


def test_title_of_a_word_is_its_own_weight():
    page = colored_text(WEIGHTS, SENTENCES, SENTENCE_WEIGHTS)
    titles = [float(weight) for weight in re.findall('title="([^"]*)"', page)]
    assert titles == pytest.approx([0.1, 0.2, 0.6, 0.1, 0.5, 0.5], abs=1e-3)


def test_sentences_have_equal_weights_by_default():
    page = Page(colored_text(WEIGHTS, SENTENCES))
    opacities = [opacity for _, opacity in page.words]
    expected = MAX_OPACITY * np.array([0.1, 0.2, 0.6, 0.1, 0.5, 0.5]) / 0.6
    np.testing.assert_allclose(opacities, expected, atol=1e-3)
    assert page.bars == []


def test_weights_beyond_words_and_sentences_are_ignored():
    padded = np.ones((3, 7))
    padded[0, :4], padded[1, :2] = WEIGHTS
    assert colored_text(padded, SENTENCES, [*SENTENCE_WEIGHTS, 1.0]) == colored_text(
        WEIGHTS, SENTENCES, SENTENCE_WEIGHTS
    )


def test_html_in_words_is_escaped():
    words = ["<script>", "a&b", "</p>", '"', "\u200b"]
    page = Page(colored_text(np.full(5, 0.2), words))
    assert [word for word, _ in page.words] == [*words[:4], "U+200B"]


def test_figure_has_one_box_per_word_and_one_bar_per_sentence():
    figure = draw_text(parse_sentences(WEIGHTS, SENTENCES, SENTENCE_WEIGHTS))
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == [word for sentence in SENTENCES for word in sentence]
    page = Page(colored_text(WEIGHTS, SENTENCES, SENTENCE_WEIGHTS))
    opacities = [opacity for _, opacity in page.words]
    expected = [*opacities[:4], page.bars[0], *opacities[4:], page.bars[1]]
    np.testing.assert_allclose([alpha for _, alpha in get_boxes(figure)], expected, atol=1e-3)


def test_long_sentence_is_wrapped_within_the_page_without_overlaps():
    words = ["so", "overlong", "$x_", "日本", "w" * 120] * 13
    figure = draw_text(parse_sentences([np.full(65, 0.1), [1]], [words, ["end"]], [0.5, 0.5]))
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len({round(box.y0) for box in boxes}) > 10
    for box in boxes:
        assert 0 <= box.x0 and box.x1 <= figure.bbox.width
        assert 0 <= box.y0 and box.y1 <= figure.bbox.height
    assert not any(a.overlaps(b) for n, a in enumerate(boxes) for b in boxes[:n])
    (long, _), (short, _) = get_boxes(figure)[65], get_boxes(figure)[-1]
    assert long > 10 * short  # A bar is as high as its sentence's lines.


def test_backend_tensor_of_any_float_dtype_is_accepted():
    tensor = ops.cast(ops.convert_to_tensor([[0.5, 0.25, 0.25]]), "bfloat16")
    assert colored_text(tensor, [["a", "b"]]) == colored_text([[0.5, 0.25]], [["a", "b"]])


def test_absolute_scale_gives_the_full_color_to_a_weight_of_1():
    page = Page(colored_text(WEIGHTS, SENTENCES, SENTENCE_WEIGHTS, scale="absolute"))
    strengths = np.array([0.1 * 0.5, 0.2 * 0.5, 0.6 * 0.5, 0.1 * 0.5] + [0.5 * 0.75**0.5] * 2)
    opacities = [opacity for _, opacity in page.words]
    np.testing.assert_allclose(opacities, MAX_OPACITY * strengths, atol=1e-3)
    np.testing.assert_allclose(page.bars, [MAX_OPACITY / 4, MAX_OPACITY * 3 / 4], atol=1e-3)


def test_signed_weights_are_red_above_and_blue_below_zero():
    page = colored_text([2.0, -4.0, 0.0], ["good", "bad", "."], signed=True)
    colors = re.findall(r"rgba\((\d+), \d+, (\d+), ([\d.]+)\)", page)
    reds, blues, opacities = np.array(colors, float).T
    assert reds[0] > blues[0] and reds[1] < blues[1]
    np.testing.assert_allclose(opacities, [MAX_OPACITY / 2, MAX_OPACITY, 0], atol=1e-3)
    assert 'title="-4.000"' in page
    patches = draw_text(parse_sentences([2.0, -4.0], ["a", "b"], None, False, True)).axes[0].patches
    assert [patch.get_facecolor()[0] > patch.get_facecolor()[2] for patch in patches] == [
        True,
        False,
    ]


def test_absolute_scale_gives_the_full_color_to_larger_signed_weights_too():
    page = Page(colored_text([2.0, -0.5], ["a", "b"], scale="absolute", signed=True))
    opacities = [opacity for _, opacity in page.words]
    np.testing.assert_allclose(opacities, [MAX_OPACITY, MAX_OPACITY / 2], atol=1e-3)


def test_zero_weights_are_white():
    page = Page(colored_text(np.zeros((2, 4)), SENTENCES, np.zeros(2)))
    assert {opacity for _, opacity in page.words} == {0.0}


def test_page_and_picture_are_written_without_temporary_files_or_pyplot_figures(tmp_path):
    figures = pyplot.get_fignums()
    page = colored_text(WEIGHTS, SENTENCES, path=tmp_path / "a" / "text.html")
    colored_text(WEIGHTS, SENTENCES, path=str(tmp_path / "a" / "text.png"))
    assert (tmp_path / "a" / "text.html").read_text(encoding="utf-8") == page
    assert (tmp_path / "a" / "text.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(os.listdir(tmp_path / "a")) == ["text.html", "text.png"]
    assert pyplot.get_fignums() == figures


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"weights": None}, "weights of rank 0"),
        ({"weights": np.ones((2, 4, 1))}, "weights of rank 3"),
        ({"weights": [[0.1] * 3, [0.5] * 2]}, "`weights` to hold .* 4 words.* 3 weights"),
        ({"weights": WEIGHTS[:1]}, "`weights` to hold .* 2 words or sentences.* 1 weights"),
        ({"weights": [[0.1] * 4, [0.5, 1.5]]}, "`weights` between 0 and 1.* 1.5"),
        ({"weights": [[0.1] * 4, [0.5, np.nan]]}, "`weights` to be finite"),
        ({"weights": [["0.1"] * 4, ["1"] * 2]}, "`weights` to be an array of real numbers"),
        ({"sentence_weights": [0.5]}, "`sentence_weights` to hold .* 1 weights"),
        ({"sentence_weights": np.ones((2, 1))}, r"sentence_weights of shape \(2, 1\)"),
        ({"sentence_weights": [-0.1, 1]}, "`sentence_weights` between 0 and 1"),
        ({"words": [["a"] * 4, []]}, "`words` to be a list of strings"),
        ({"words": []}, "`words` to be a list of strings"),
        ({"words": [["a"] * 4, [1, 2]]}, "`words` to be a list of strings"),
        ({"words": 5}, "words=5"),
        ({"words": list("ab"), "weights": [0.5, 0.5]}, "list of sentences.*'b'"),
        ({"path": "text.jpg"}, "'.html', '.png'.*text.jpg"),
        ({"path": 3}, "path=3"),
        ({"scale": "log"}, "`scale` to be one of .*log"),
        ({"signed": 1}, "signed=1"),
    ],
)
def test_invalid_arguments_are_refused(arguments, message):
    valid = {"weights": WEIGHTS, "words": SENTENCES, "sentence_weights": SENTENCE_WEIGHTS}
    with pytest.raises(ValueError, match=message):
        colored_text(**{**valid, **arguments})
