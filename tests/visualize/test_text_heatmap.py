"""The text heatmap rounds weights to shades and aligns columns in any script."""

import numpy as np
import pytest

from keras_attention.visualize import text_heatmap
from keras_attention.visualize.characters import split_graphemes, terminal_width


def test_weights_are_rounded_to_five_shades():
    row = [[0.0, 0.12, 0.13, 0.37, 0.38, 0.62, 0.63, 0.87, 0.88, 1.0]]
    assert text_heatmap(row, "0123456789", ["a"]).splitlines()[-1] == "a     ░░░░▒▒▒▒▓▓▓▓████"


def test_source_words_are_written_downwards_and_aligned_at_the_bottom():
    assert text_heatmap(np.eye(2, 3), ["der", "Hund", "."], ["the", "dog"]).splitlines() == [
        "      H",
        "    d u",
        "    e n",
        "    r d .",
        "the ██",
        "dog   ██",
    ]


@pytest.mark.parametrize(
    "source", ["3. mai", "土曜日、2003", "שבת 3", "e\u0301a\u0308b", "\u0301a"]
)
def test_columns_are_aligned_in_any_script(source):
    target = ["日本", "ab", "e\u0301", " "]
    lines = text_heatmap(np.ones((4, len(source))), source, target).splitlines()
    columns = 4 + 1 + 2 * len(source)
    assert [terminal_width(line) for line in lines[1:]] == [columns] * 4
    assert columns - 2 < terminal_width(lines[0]) + 1 <= columns + 1


@pytest.mark.parametrize(
    "emoji, single",
    [
        ("👩\u200d👩\u200d👧", "👩👩👧"),
        ("👍🏽", "👍"),
        ("\u2764\ufe0f", "\u2764"),
        ("🇩🇪🇫🇷", "🇩🇪🇫🇷"),
        ("\u0dc1\u0dca\u200d\u0dbb", "\u0dc1\u0dca\u200d\u0dbb"),
    ],
)
def test_joined_emoji_are_split_so_that_columns_are_aligned(emoji, single):
    *heading, first, second = text_heatmap(np.ones((2, 2)), [emoji, "b"], [emoji, "a"]).splitlines()
    assert first == f"{single} ████"
    assert terminal_width(first) == terminal_width(second) == terminal_width(single) + 5
    graphemes = split_graphemes(single)
    assert len(heading) == len(graphemes)
    for line, grapheme in zip(heading, graphemes, strict=True):
        assert line.strip().startswith(grapheme)
    assert terminal_width(heading[-1]) == terminal_width(single) + 1 + 3


def test_rows_and_columns_beyond_the_tokens_are_not_drawn():
    text = text_heatmap(np.ones((3, 5)), "ab", "x")
    assert text.splitlines() == ["  a b", "x ████"]


@pytest.mark.parametrize(
    "weights, source, target, message",
    [
        (np.ones((1, 1, 1)), ["a"], ["b"], "one matrix"),
        ([np.ones((1, 1))], ["a"], ["b"], "one matrix"),
        (np.ones((1, 1)), None, ["b"], "source_tokens=None"),
        (np.ones((1, 1)), ["a"], None, "target_tokens=None"),
        (np.ones((1, 1)), ["a", "b"], ["b"], "source_tokens"),
    ],
)
def test_error_names_the_invalid_argument(weights, source, target, message):
    with pytest.raises(ValueError, match=message):
        text_heatmap(weights, source, target)
