"""Labels in any script: drawn by a font that has them, or as a number, and never as a box."""

import logging

import matplotlib
import pytest

from keras_attention.visualize import heatmap
from keras_attention.visualize.characters import letters, visible, width
from keras_attention.visualize.fonts import characters_of, drawable

ONE = [[1.0]]


def test_characters_that_the_default_font_lacks_come_from_another():
    with matplotlib.rc_context({"font.family": ["cmtt10"]}):
        assert drawable("abc") == ("abc", ["cmtt10"])
        assert drawable("дом") == ("дом", ["cmtt10", "DejaVu Sans"])
        figure = heatmap(ONE, ["дом"], ["house"])
        assert figure.axes[0].get_xticklabels()[0].get_fontfamily() == ["cmtt10", "DejaVu Sans"]
        figure.canvas.draw()


def test_a_change_of_the_default_font_is_noticed():
    with matplotlib.rc_context({"font.sans-serif": ["cmtt10"]}):
        assert drawable("дом")[1] == ["sans-serif", "DejaVu Sans"]
    assert drawable("дом")[1] == ["sans-serif"]


def test_characters_that_no_font_has_become_their_number(monkeypatch):
    known = frozenset(map(ord, "abc U+0123456789ABCDEF…"))
    monkeypatch.setattr("keras_attention.visualize.fonts.characters_of", lambda family: known)
    assert drawable("日")[0] == "U+65E5"
    assert drawable("a日b本")[0] == "aU+65E5bU+672C"
    assert drawable("日本語 ab")[0] == "U+65E5… ab"


def test_only_upright_regular_fonts_are_searched(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "keras_attention.visualize.fonts.characters_of", lambda family: asked.append(family) or ()
    )
    drawable("日")
    assert "DejaVu Serif" in asked
    assert "DejaVu Sans Light" not in asked


def test_a_font_of_boxes_counts_as_none():
    assert not characters_of("Last Resort High-Efficiency")
    assert not characters_of("no such font")
    assert ord("a") in characters_of("DejaVu Sans")


@pytest.mark.parametrize(
    "text", ["日本語", "שבת", "الثلاثاء", "ส.", "मई", "😀👩‍👩‍👧", "\u0301", "ᠰ᠋", "\ud800"]
)
def test_no_script_gives_a_warning_or_a_log_line(text, recwarn, caplog):
    caplog.set_level(logging.WARNING)
    heatmap(ONE, [text], [text], titles=[text]).canvas.draw()
    assert not recwarn.list
    assert not caplog.records


def test_what_cannot_be_seen_is_made_visible():
    assert visible(" ") == "\u2423"
    assert visible("a b") == "a b"
    assert visible("\n") == "U+000A"
    assert visible("\u0301") == "\u25cc\u0301"
    assert visible("  ") == "\u2423\u2423"
    assert visible(" the ") == "\u2423the\u2423"
    assert visible("") == "\u2205"


@pytest.mark.parametrize("code", "00A0 200B 200D 200F 3000 00AD FEFF 2028 3164 2800".split())
def test_an_invisible_character_becomes_its_number(code):
    character = chr(int(code, 16))
    assert visible(character) == f"U+{code}"
    assert visible(f"a{character}") == f"aU+{code}"


def test_joiners_inside_of_words_and_emoji_stay():
    for text in ("می\u200cخواهم", "👩\u200d👧", "क\u094d\u200dष"):
        assert visible(text) == text


def test_an_empty_title_is_none():
    assert heatmap(ONE, titles="").axes[0].get_title() == ""


def test_letters_keep_their_marks_and_wide_ones_take_two_columns():
    assert letters("e\u0301日") == ["e\u0301", "日"]
    assert letters("🇩🇪🇫🇷a") == ["🇩🇪", "🇫🇷", "a"]
    assert [width(text) for text in ("e\u0301", "日", "ab", "\u200d", "ｆ")] == [1, 2, 2, 0, 2]
