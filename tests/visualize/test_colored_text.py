"""A coloured text shows every word, its weight as the strength of its colour."""

import os
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from keras import ops
from matplotlib import pyplot
from matplotlib.patches import Rectangle

from keras_attention.visualize import colored_text
from keras_attention.visualize.colored_text import STRONGEST, draw, read_sentences

SENTENCES = [["what", "a", "bore", "."], ["avoid", "!"]]
WEIGHTS = [[0.1, 0.2, 0.6, 0.1], [0.5, 0.5]]
SENTENCE_WEIGHTS = [0.25, 0.75]


class Page(HTMLParser):
    """What a browser would show: (word, opacity) for each span, opacities of bars, open tags."""

    def __init__(self, page):
        super().__init__()
        self.words, self.bars, self.open = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        opacity = re.search(r"rgba\(.*, (.*)\)", dict(attributes).get("style") or "")
        if tag == "span":
            self.words.append(["", float(opacity[1])])
        if tag == "p" and opacity:
            self.bars.append(float(opacity[1]))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "span" in self.open:
            self.words[-1][0] += data


def rectangles(figure):
    """(height, opacity) of each coloured box."""
    patches = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    return [(patch.get_height(), patch.get_alpha()) for patch in patches]


def test_a_words_colour_is_its_share_of_the_largest_weight():
    page = Page(colored_text([0.1, 0.4, 0.2], ["not", "bad", "!"]))
    assert [word for word, _ in page.words] == ["not", "bad", "!"]
    opacities = [opacity for _, opacity in page.words]
    np.testing.assert_allclose(opacities, [STRONGEST / 4, STRONGEST, STRONGEST / 2], atol=1e-3)
    assert page.bars == [] and page.open == []


def test_words_are_coloured_by_the_root_of_the_sentence_as_in_the_paper():
    page = Page(colored_text(WEIGHTS, SENTENCES, SENTENCE_WEIGHTS))
    strengths = np.array([0.1 * 0.5, 0.2 * 0.5, 0.6 * 0.5, 0.1 * 0.5] + [0.5 * 0.75**0.5] * 2)
    opacities = [opacity for _, opacity in page.words]
    np.testing.assert_allclose(opacities, STRONGEST * strengths / strengths.max(), atol=1e-3)
    np.testing.assert_allclose(page.bars, [STRONGEST / 3, STRONGEST], atol=1e-3)


def test_a_word_tells_its_own_weight():
    page = colored_text(WEIGHTS, SENTENCES, SENTENCE_WEIGHTS)
    told = [float(weight) for weight in re.findall('title="([^"]*)"', page)]
    assert told == pytest.approx([0.1, 0.2, 0.6, 0.1, 0.5, 0.5], abs=1e-3)


def test_without_sentence_weights_all_sentences_weigh_alike():
    page = Page(colored_text(WEIGHTS, SENTENCES))
    opacities = [opacity for _, opacity in page.words]
    expected = STRONGEST * np.array([0.1, 0.2, 0.6, 0.1, 0.5, 0.5]) / 0.6
    np.testing.assert_allclose(opacities, expected, atol=1e-3)
    assert page.bars == []


def test_padding_beyond_words_and_sentences_is_not_drawn():
    padded = np.ones((3, 7))
    padded[0, :4], padded[1, :2] = WEIGHTS
    assert colored_text(padded, SENTENCES, [*SENTENCE_WEIGHTS, 1.0]) == colored_text(
        WEIGHTS, SENTENCES, SENTENCE_WEIGHTS
    )


def test_what_html_would_read_as_a_tag_is_a_word():
    words = ["<script>", "a&b", "</p>", '"', "\u200b"]
    page = Page(colored_text(np.full(5, 0.2), words))
    assert [word for word, _ in page.words] == [*words[:4], "U+200B"]


def test_the_picture_has_a_box_for_each_word_and_a_bar_for_each_sentence():
    figure = draw(read_sentences(WEIGHTS, SENTENCES, SENTENCE_WEIGHTS))
    written = [text.get_text() for text in figure.axes[0].texts]
    assert written == [word for sentence in SENTENCES for word in sentence]
    page = Page(colored_text(WEIGHTS, SENTENCES, SENTENCE_WEIGHTS))
    opacities = [opacity for _, opacity in page.words]
    expected = [*opacities[:4], page.bars[0], *opacities[4:], page.bars[1]]
    np.testing.assert_allclose([alpha for _, alpha in rectangles(figure)], expected, atol=1e-3)


def test_a_long_sentence_is_wrapped_within_the_page_and_nothing_overlaps():
    words = ["so", "overlong", "$x_", "日本", "w" * 120] * 13
    figure = draw(read_sentences([np.full(65, 0.1), [1]], [words, ["end"]], [0.5, 0.5]))
    figure.canvas.draw()
    places = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len({round(place.y0) for place in places}) > 10
    for place in places:
        assert 0 <= place.x0 and place.x1 <= figure.bbox.width
        assert 0 <= place.y0 and place.y1 <= figure.bbox.height
    assert not any(a.overlaps(b) for n, a in enumerate(places) for b in places[:n])
    (long, _), (short, _) = rectangles(figure)[65], rectangles(figure)[-1]
    assert long > 10 * short  # a bar is as high as its sentence's lines


def test_tensors_of_the_backend_are_read_in_any_float():
    tensor = ops.cast(ops.convert_to_tensor([[0.5, 0.25, 0.25]]), "bfloat16")
    assert colored_text(tensor, [["a", "b"]]) == colored_text([[0.5, 0.25]], [["a", "b"]])


def test_weights_of_zero_are_white():
    page = Page(colored_text(np.zeros((2, 4)), SENTENCES, np.zeros(2)))
    assert {opacity for _, opacity in page.words} == {0.0}


def test_pages_and_pictures_are_written_whole_and_nothing_global_is_touched(tmp_path):
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
        ({"weights": [[0.1] * 3, [0.5] * 2]}, "`weights` to hold .* 4 words.* 3 of them"),
        ({"weights": WEIGHTS[:1]}, "`weights` to hold .* 2 words or sentences.* 1 of them"),
        ({"weights": [[0.1] * 4, [0.5, 1.5]]}, "`weights` between 0 and 1.* 1.5"),
        ({"weights": [[0.1] * 4, [0.5, np.nan]]}, "`weights` to be finite"),
        ({"weights": [["0.1"] * 4, ["1"] * 2]}, "`weights` to be an array of real numbers"),
        ({"sentence_weights": [0.5]}, "`sentence_weights` to hold .* 1 of them"),
        ({"sentence_weights": np.ones((2, 1))}, r"sentence_weights of shape \(2, 1\)"),
        ({"sentence_weights": [-0.1, 1]}, "`sentence_weights` between 0 and 1"),
        ({"words": [["a"] * 4, []]}, "`words` to be a list of strings"),
        ({"words": []}, "`words` to be a list of strings"),
        ({"words": [["a"] * 4, [1, 2]]}, "`words` to be a list of strings"),
        ({"words": 5}, "words=5"),
        ({"words": list("ab"), "weights": [0.5, 0.5]}, "list of sentences.*'b'"),
        ({"path": "text.jpg"}, "'.html', '.png'.*text.jpg"),
        ({"path": 3}, "path=3"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments, message):
    given = {"weights": WEIGHTS, "words": SENTENCES, "sentence_weights": SENTENCE_WEIGHTS}
    with pytest.raises(ValueError, match=message):
        colored_text(**{**given, **arguments})
