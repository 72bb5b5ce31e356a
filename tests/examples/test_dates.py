"""Dates in all languages equal babel's and are unambiguous, and each day is in one split only."""

import datetime
import re

import numpy as np
import pytest
from babel import Locale
from babel.dates import format_date

from examples.datasets.date_meanings import get_digit_order, keep_one_meaning
from examples.datasets.date_patterns import Pattern, clean, load_patterns
from examples.datasets.dates import ISO_CHARACTERS, Dates, Vocabulary, get_days_by_split


@pytest.fixture(scope="module")
def samples():
    return Dates().sample(50_000, np.random.default_rng(0))


@pytest.mark.parametrize("name", ["en", "en_GB", "cs", "ja", "ar", "he", "th", "vi", "pt_BR"])
def test_a_locale_writes_what_babel_writes(name):
    locale, day = Locale.parse(name), datetime.date(1997, 3, 9)
    formats = [*locale.date_formats.values(), *locale.datetime_skeletons.values()]
    day_patterns = [
        p.pattern for p in formats if "d" in p.pattern and not set("hHK") & set(p.pattern)
    ]
    expected = {clean(format_date(day, pattern, locale)) for pattern in day_patterns}
    written = {pattern.render(day) for pattern in load_patterns() if name in pattern.locales}
    assert len(written) >= 4
    assert written <= expected


def test_patterns_cover_hundreds_of_languages():
    assert len(load_patterns()) > 1000
    assert len(Dates().languages) > 200
    assert sum(len(pattern.locales) for pattern in load_patterns()) > 5000


def test_common_formats_are_included():
    day = datetime.date(2003, 5, 3)
    english = {pattern.render(day) for pattern in Dates({"en"}).patterns}
    assert {"May 3, 2003", "3 May 2003", "Saturday, May 3, 2003", "2003-05-03"} <= english
    assert "3. kvetna 2003" not in english
    assert "3. května 2003" in {pattern.render(day) for pattern in Dates({"cs"}).patterns}
    assert "2003年5月3日土曜日" in {pattern.render(day) for pattern in Dates({"ja"}).patterns}


def test_each_format_occurs_once():
    day = datetime.date(2003, 12, 23)
    names = {(p.render(day), p.template, p.days, p.months, p.weekdays) for p in load_patterns()}
    assert len(names) == len(load_patterns())


@pytest.mark.parametrize("year", [2000, 2023])
def test_no_text_of_a_year_means_two_days(year):
    meaning = {}
    for ordinal in range(
        datetime.date(year, 1, 1).toordinal(), datetime.date(year + 1, 1, 1).toordinal()
    ):
        day = datetime.date.fromordinal(ordinal)
        for pattern in load_patterns():
            text = pattern.render(day)
            assert meaning.setdefault(text, day) == day, text


def test_no_sampled_text_means_two_dates(samples):
    meaning = {}
    for text, iso, _ in samples:
        assert meaning.setdefault(text, iso) == iso
        assert re.search(rf"(?<!\d){iso[:4]}(?!\d)", text)


def test_a_date_between_slashes_has_its_day_first_in_every_locale():
    day = datetime.date(2003, 5, 3)
    slashed = [pattern.render(day) for pattern in load_patterns() if "}/{" in pattern.template]
    numbers = [re.search(r"(\d+)/(\d+)/2003", text) for text in slashed]
    assert {(int(match[1]), int(match[2])) for match in numbers if match} == {(3, 5)}
    assert {"3/5/2003", "03/05/2003", "Sat, 03/05/2003"} <= set(slashed)


def test_an_ambiguous_month_name_keeps_its_meaning_in_most_languages():
    def pattern(months, *locales):
        return Pattern("{day}. {month} {year}", tuple("123456789"), months, (), locales)

    croatian = pattern((*"abcdefghi", "listopad", "studeni", "prosinac"), "hr", "hr_BA", "hr_HR")
    czech = pattern((*"jklmnopqr", "říjen", "listopad", "prosinec"), "cs")
    polish = pattern((*"stuvwxyzż", "październik", "listopad", "grudzień"), "pl")
    assert keep_one_meaning([croatian, czech, polish]) == [czech, polish]


def test_only_separators_between_day_and_month_count():
    pattern = next(p for p in load_patterns() if p.template == "{year}. {month}. {day}.")
    assert get_digit_order(pattern) == ("{year}. #. #", ("month", "day"))


def test_the_splits_partition_all_days():
    train, validation, test = (set(days.tolist()) for days in get_days_by_split().values())
    assert not (train & validation or train & test or validation & test)
    assert len(train | validation | test) == 73_049
    assert len(validation) == pytest.approx(7305, rel=0.05)
    assert len(test) == pytest.approx(7305, rel=0.05)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_samples_are_of_their_split(split):
    days = set(get_days_by_split()[split].tolist())
    for _, iso, _ in Dates({"en"}).sample(2000, np.random.default_rng(1), split=split):
        assert datetime.date.fromisoformat(iso).toordinal() in days


def test_equal_seeds_draw_equal_dates():
    dates = Dates({"de", "fr"})
    first, second, other = (dates.sample(50, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert first == second
    assert first != other
    assert {locale.split("_")[0] for _, _, locale in first} == {"de", "fr"}


def test_the_vocabulary_encodes_and_decodes_every_text(samples):
    characters = Dates().characters
    vocabulary = Vocabulary(characters)
    texts = [text for text, _, _ in samples]
    ids = vocabulary.encode(texts)
    assert list(characters) == sorted(set(characters))
    assert ids.min() == 0 and ids.max() < len(vocabulary)
    assert not (ids == Vocabulary.unknown).any()
    assert vocabulary.decode(ids) == texts


def test_unknown_characters_and_padding_have_their_own_ids():
    vocabulary = Vocabulary(ISO_CHARACTERS)
    np.testing.assert_array_equal(vocabulary.encode(["1-x"], length=5), [[4, 2, 1, 0, 0]])
    with pytest.raises(ValueError, match="at most 2 characters"):
        vocabulary.encode(["123"], length=2)


@pytest.mark.parametrize("languages", [{"en", "zz"}, set(), "en"])
def test_unknown_languages_are_refused(languages):
    with pytest.raises(ValueError, match="languages="):
        Dates(languages)


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="split='dev'"):
        Dates({"en"}).sample(1, np.random.default_rng(0), split="dev")
