"""Random dates as text in the formats of the world's languages, and in ISO 8601.

>>> import numpy as np
>>> dates = Dates(languages={"de", "en", "ja"})
>>> text, iso, locale = dates.sample(1, np.random.default_rng(0), split="train")[0]

The splits divide the days, 1900-01-01 to 2099-12-31, not the texts: a day of the `validation` or
`test` split (a tenth of all days each, by a fixed hash) does not occur in training in any language.
`date_patterns` describes the formats, and `date_meanings` explains why no text means two dates.
"""

import datetime
import functools
import hashlib

import numpy as np

from examples.datasets.date_patterns import get_language, load_patterns

FIRST, LAST = datetime.date(1900, 1, 1), datetime.date(2099, 12, 31)
ISO_CHARACTERS = "-0123456789"


class Dates:
    """A generator of dates as text, with their ISO form. All formats are equally frequent.

    Args:
        languages: Codes such as `{"de", "en"}`; None for all languages of CLDR.

    `patterns` are the formats of these languages, `characters` all characters of the texts.
    """

    def __init__(self, languages=None):
        all_languages = set().union(*(pattern.languages for pattern in load_patterns()))
        self.languages = all_languages if languages is None else set(languages)
        if not self.languages or self.languages - all_languages:
            raise ValueError(
                f"Expected language codes of CLDR, such as 'en'. Received: languages={languages!r}"
            )
        self.patterns = [p for p in load_patterns() if p.languages & self.languages]
        written = {c for p in self.patterns for c in "".join((*p.days, *p.months, *p.weekdays))}
        between = {c for p in self.patterns for c in p.write("", 1, 1, "")}
        self.characters = "".join(sorted(written | between | set("0123456789")))

    def sample(self, count, rng, split="train"):
        """Sample `count` dates, tuples (text, iso, locale).

        Args:
            count: Number of dates.
            rng: A `numpy.random.Generator`.
            split: `"train"`, `"validation"` or `"test"`.
        """
        if split not in get_days_by_split():
            raise ValueError(
                f"Expected one of {list(get_days_by_split())}. Received: split={split!r}"
            )
        days = rng.choice(get_days_by_split()[split], count).tolist()
        indices = rng.integers(len(self.patterns), size=count).tolist()
        samples = []
        for day, index in zip(days, indices, strict=True):
            date, pattern = datetime.date.fromordinal(day), self.patterns[index]
            samples.append((pattern.render(date), date.isoformat(), self.locale(pattern)))
        return samples

    def locale(self, pattern):
        """Return the first locale that uses the pattern and is of one of the languages."""
        return next(name for name in pattern.locales if get_language(name) in self.languages)


@functools.cache
def get_days_by_split():
    """Return {split: ordinals of its days}. The splits are the same on every machine."""
    days = {"train": [], "validation": [], "test": []}
    for ordinal in range(FIRST.toordinal(), LAST.toordinal() + 1):
        digest = hashlib.sha256(datetime.date.fromordinal(ordinal).isoformat().encode()).digest()
        tenth = int.from_bytes(digest[:8], "big") % 10
        days[{0: "validation", 1: "test"}.get(tenth, "train")].append(ordinal)
    return {split: np.array(ordinals) for split, ordinals in days.items()}


class Vocabulary:
    """Conversion of characters to ids and back: 0 is padding, 1 an unknown character.

    >>> Vocabulary("-0123456789").encode(["1-2", "7?"])
    array([[ 4,  2,  5],
           [10,  1,  0]], dtype=int32)
    """

    padding, unknown = 0, 1

    def __init__(self, characters):
        self.characters = characters
        self.ids = {character: id for id, character in enumerate(characters, start=2)}

    def __len__(self):
        return len(self.characters) + 2

    def encode(self, texts, length=None):
        """Return ids (N, length) int32, padded on the right; default: the longest text's length."""
        max_length = max(map(len, texts), default=0)
        length = max_length if length is None else length
        if max_length > length:
            raise ValueError(
                f"Expected texts of at most {length} characters. Received: a text of {max_length}"
            )
        ids = np.full((len(texts), length), self.padding, "int32")
        for row, text in zip(ids, texts, strict=True):
            row[: len(text)] = [self.ids.get(character, self.unknown) for character in text]
        return ids

    def decode(self, ids):
        """Return the texts of ids (N, length), without padding; U+FFFD is an unknown character."""
        letters = ["", "\ufffd", *self.characters]
        return ["".join(letters[id] for id in row) for row in np.asarray(ids)]
