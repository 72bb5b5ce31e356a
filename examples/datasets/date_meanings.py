"""Removal of the date formats by which one text could mean two dates.

- The order of a date in digits is that of most languages with its separators: `3/5/2003` is the
  third of May, and locales that put the month first between slashes (en_US) keep their other
  formats.
- If a month's name is another month's name in another language, the meaning in most languages is
  kept.
"""

import re
from collections import defaultdict


def select_preferred(readings):
    """Return the reading with the most languages, from a dict of readings to sets of languages."""
    return max(readings, key=lambda reading: (len(readings[reading]), reading))


def keep_one_order(patterns):
    """Drop the patterns in digits whose separators have the other order in most languages."""
    readings = defaultdict(lambda: defaultdict(set))
    for pattern in patterns:
        separators, order = get_digit_order(pattern)
        readings[separators][order] |= pattern.languages
    orders_kept = {separators: select_preferred(orders) for separators, orders in readings.items()}
    return [p for p in patterns if orders_kept[get_digit_order(p)[0]] == get_digit_order(p)[1]]


def get_digit_order(pattern):
    """Return (separators, order of day and month) for dates in digits, else (the pattern, ())."""
    if not pattern.months[0].isdecimal():
        return pattern, ()
    core = re.search(r"\{(year|month|day)\}.*\{(year|month|day)\}", pattern.template)[0]
    core = core.replace("{weekday}", "")
    order = re.findall(r"\{(month|day)\}", core)
    return re.sub(r"\{(month|day)\}", "#", core), tuple(order)


def keep_one_meaning(patterns):
    """Drop the patterns that write, for some day, what more languages write for another day."""
    meaning, ambiguous = {}, set()
    for pattern in patterns:
        for text, day in iterate_probes(pattern):
            if meaning.setdefault(text, day) != day:
                ambiguous.add(text)
    readings = defaultdict(lambda: defaultdict(set))
    for pattern in patterns:
        for text, day in iterate_probes(pattern):
            if text in ambiguous:
                readings[text][day] |= pattern.languages
    meanings_kept = meaning | {text: select_preferred(days) for text, days in readings.items()}
    return [
        p for p in patterns if all(meanings_kept[text] == day for text, day in iterate_probes(p))
    ]


def iterate_probes(pattern):
    """Yield (text, (month, day)) for enough days of a year to detect any two equal texts.

    The year is the only number of four digits, so that equal texts have the same year. Two days of
    a month can be confused only if the month is a number; if it is a name, one day is enough.
    """
    days = 12 if re.search(r"\d", "".join(pattern.months)) else 1
    for weekday in pattern.weekdays or ("",):
        for month in range(1, 13):
            for day in range(1, days + 1):
                yield pattern.write(2000, month, day, weekday), (month, day)
