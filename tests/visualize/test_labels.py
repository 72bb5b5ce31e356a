"""Labels in any script use a font that has their glyphs, or show code points; never a box."""

import logging
import sys

import matplotlib
import pytest

from keras_attention.visualize import heatmap
from keras_attention.visualize.characters import make_visible, split_graphemes, terminal_width
from keras_attention.visualize.fonts import choose_fonts, get_family_characters

ONE_CELL = [[1.0]]
FONTS = "keras_attention.visualize.fonts"


def test_characters_missing_in_the_default_font_come_from_another():
    with matplotlib.rc_context({"font.family": ["cmtt10"]}):
        assert choose_fonts("abc") == ("abc", ["cmtt10"])
        assert choose_fonts("дом") == ("дом", ["cmtt10", "DejaVu Sans"])
        figure = heatmap(ONE_CELL, ["дом"], ["house"])
        assert figure.axes[0].get_xticklabels()[0].get_fontfamily() == ["cmtt10", "DejaVu Sans"]
        figure.canvas.draw()


def test_change_of_the_default_font_takes_effect():
    with matplotlib.rc_context({"font.sans-serif": ["cmtt10"]}):
        assert choose_fonts("дом")[1] == ["sans-serif", "DejaVu Sans"]
    assert choose_fonts("дом")[1] == ["sans-serif"]


def test_characters_without_a_font_become_code_points(monkeypatch):
    characters = frozenset(map(ord, "abc U+0123456789ABCDEF…"))
    monkeypatch.setattr(
        "keras_attention.visualize.fonts.get_family_characters", lambda family: characters
    )
    assert choose_fonts("日")[0] == "U+65E5"
    assert choose_fonts("a日b本")[0] == "aU+65E5bU+672C"
    assert choose_fonts("日本語 ab")[0] == "U+65E5… ab"


def test_only_upright_regular_fonts_are_searched(monkeypatch):
    families = []
    monkeypatch.setattr(
        "keras_attention.visualize.fonts.get_family_characters",
        lambda family: families.append(family) or (),
    )
    choose_fonts("日")
    assert "DejaVu Serif" in families
    assert "DejaVu Sans Light" not in families


def test_font_that_draws_only_boxes_has_no_characters():
    assert not get_family_characters("Last Resort High-Efficiency")
    assert not get_family_characters("no such font")
    assert ord("a") in get_family_characters("DejaVu Sans")


@pytest.mark.parametrize(
    "text", ["日本語", "שבת", "الثلاثاء", "ส.", "मई", "😀👩‍👩‍👧", "\u0301", "ᠰ᠋", "\ud800"]
)
def test_text_in_any_script_causes_no_warning_and_no_log_record(text, recwarn, caplog):
    caplog.set_level(logging.WARNING)
    heatmap(ONE_CELL, [text], [text], titles=[text]).canvas.draw()
    assert not recwarn.list
    assert not caplog.records


def test_invisible_text_is_made_visible():
    assert make_visible(" ") == "\u2423"
    assert make_visible("a b") == "a b"
    assert make_visible("\n") == "U+000A"
    assert make_visible("\u0301") == "\u25cc\u0301"
    assert make_visible("  ") == "\u2423\u2423"
    assert make_visible(" the ") == "\u2423the\u2423"
    assert make_visible("") == "\u2205"


@pytest.mark.parametrize("code", "00A0 200B 200D 200F 3000 00AD FEFF 2028 3164 2800".split())
def test_invisible_character_becomes_its_code_point(code):
    character = chr(int(code, 16))
    assert make_visible(character) == f"U+{code}"
    assert make_visible(f"a{character}") == f"aU+{code}"


def test_joiners_inside_of_words_and_emoji_are_kept():
    for text in ("می\u200cخواهم", "👩\u200d👧", "क\u094d\u200dष"):
        assert make_visible(text) == text


def test_empty_title_is_not_drawn():
    assert heatmap(ONE_CELL, titles="").axes[0].get_title() == ""


def test_graphemes_keep_their_marks_and_wide_ones_take_two_columns():
    assert split_graphemes("e\u0301日") == ["e\u0301", "日"]
    assert split_graphemes("🇩🇪🇫🇷a") == ["🇩🇪", "🇫🇷", "a"]
    texts = ["e\u0301", "日", "ab", "\u200d", "ｆ", "🇩🇪"]
    assert [terminal_width(text) for text in texts] == [1, 2, 2, 0, 2, 2]


@pytest.mark.parametrize(
    "text", ["क\u094d\u200dष", "\u1100\u1161\u11a8", "👩\u200d👩\u200d👧", "1\ufe0f\u20e3"]
)
def test_sequence_that_forms_one_character_fits_a_column_of_the_text_heatmap(text):
    assert split_graphemes(text) == [text]
    assert terminal_width(text) == 2


def test_missing_wcwidth_raises_an_error_with_the_install_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "wcwidth", None)
    with pytest.raises(ImportError, match=r"`wcwidth` .*pip install 'keras-attention-layers\[vis"):
        terminal_width("a")
