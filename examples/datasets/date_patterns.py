"""The date formats of the world's languages, from the Unicode CLDR.

Nothing is downloaded, because `babel` contains the Common Locale Data Repository. The patterns are
those of all locales with a day, a month and a year of four digits, with or without the weekday.
Equal patterns of several locales are merged. Patterns with two-digit years, eras, one-letter names
or untranslated names are left out, and so are those that `date_meanings` finds ambiguous.

No-break spaces are replaced by spaces, and the invisible marks of writing direction are removed,
because people do not type them.
"""

import datetime
import functools
import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass

from examples.datasets.date_meanings import keep_one_meaning, keep_one_order

# The CLDR fields that a pattern may have. Without other fields it identifies a day unambiguously.
KINDS = {"y": "year", "d": "day", "dd": "day"}
KINDS |= dict.fromkeys(("M", "MM", "MMM", "MMMM", "L", "LL", "LLL", "LLLL"), "month")
KINDS |= dict.fromkeys(("E", "EEE", "EEEE", "ccc", "cccc"), "weekday")
DAYS = {
    "day": [datetime.date(2001, 1, day) for day in range(1, 32)],
    "month": [datetime.date(2001, month, 1) for month in range(1, 13)],
    "weekday": [datetime.date(2001, 1, day) for day in range(1, 8)],  # the first was a Monday
}
PLACEHOLDER = "M01"  # January in locales without translated months
FIELD = re.compile(r"%\((\w+)\)s")
DIRECTION_MARKS = re.compile("[\u061c\u200e\u200f]")


@dataclass(frozen=True)
class Pattern:
    """A template such as `{day}. {month} {year}`, its words, and the locales that use it."""

    template: str
    days: tuple
    months: tuple
    weekdays: tuple
    locales: tuple

    @property
    def languages(self):
        return {get_language(locale) for locale in self.locales}

    def render(self, date):
        weekday = self.weekdays[date.weekday()] if self.weekdays else ""
        return self.write(date.year, date.month, date.day, weekday)

    def write(self, year, month, day, weekday):
        return self.template.format(
            year=year, month=self.months[month - 1], day=self.days[day - 1], weekday=weekday
        )


def get_language(locale):
    return locale.split("_")[0]


@functools.cache
def load_patterns():
    """Return all patterns, in a fixed order. The first call loads all locales, in seconds."""
    from babel import Locale, localedata

    locales = defaultdict(list)
    for name in sorted(localedata.locale_identifiers()):
        for fields in iterate_patterns(Locale.parse(name)):
            locales[fields].append(name)
    merged = [Pattern(*fields, tuple(names)) for fields, names in sorted(locales.items())]
    return keep_one_meaning(keep_one_order(merged))


def iterate_patterns(locale):
    """Yield (template, days, months, weekdays) for each usable pattern of a babel `Locale`."""
    from babel.dates import DateTimeFormat

    @functools.cache
    def words(field):
        return tuple(clean(DateTimeFormat(day, locale)[field]) for day in DAYS[KINDS[field]])

    if words("MMMM")[0] == PLACEHOLDER:
        return
    formats = [*locale.date_formats.values(), *locale.datetime_skeletons.values()]
    for pattern in {pattern.format for pattern in formats}:
        names = FIELD.findall(pattern)
        fields = {KINDS.get(name): name for name in names}
        if len(fields) < len(names) or fields.keys() - {"weekday"} != {"year", "month", "day"}:
            continue
        template = FIELD.sub(lambda field: f"{{{KINDS[field[1]]}}}", clean(pattern))
        days, months = words(fields["day"]), words(fields["month"])
        weekdays = words(fields["weekday"]) if "weekday" in fields else ()
        if months[0] != PLACEHOLDER:
            yield template, days, months, weekdays


def clean(text):
    """Normalize a text: composed characters, plain spaces, no marks of writing direction."""
    text = DIRECTION_MARKS.sub("", unicodedata.normalize("NFC", text))
    return "".join(" " if unicodedata.category(c) == "Zs" else c for c in text)
