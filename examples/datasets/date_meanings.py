"""Leaves out the patterns that would let one text mean two dates.

- A date in digits means what most languages mean by its separators: `3/5/2003` is the third of May,
  and the locales that put the month first between slashes (en_US) keep their other patterns.
- Where a month's name is another month's name elsewhere, the reading of most languages stays.
"""

import re
from collections import defaultdict


def preferred(readings):
    """The reading with the most languages, of a dictionary from readings to sets of languages."""
    return max(readings, key=lambda reading: (len(readings[reading]), reading))


def with_one_order(patterns):
    """Drops the patterns in digits whose separators most languages read in the other order."""
    readings = defaultdict(lambda: defaultdict(set))
    for pattern in patterns:
        separators, order = in_digits(pattern)
        readings[separators][order] |= pattern.languages
    order_of = {separators: preferred(orders) for separators, orders in readings.items()}
    return [p for p in patterns if order_of[in_digits(p)[0]] == in_digits(p)[1]]


def in_digits(pattern):
    """(separators, order of day and month) of a date in digits; any other agrees with itself."""
    if not pattern.months[0].isdecimal():
        return pattern, ()
    core = re.search(r"\{(year|month|day)\}.*\{(year|month|day)\}", pattern.template)[0]
    core = core.replace("{weekday}", "")
    order = re.findall(r"\{(month|day)\}", core)
    return re.sub(r"\{(month|day)\}", "#", core), tuple(order)


def with_one_meaning(patterns):
    """Drops the patterns that write, on some day, what more languages write on another day."""
    meaning, doubtful = {}, set()
    for pattern in patterns:
        for text, day in probes(pattern):
            if meaning.setdefault(text, day) != day:
                doubtful.add(text)
    readings = defaultdict(lambda: defaultdict(set))
    for pattern in patterns:
        for text, day in probes(pattern):
            if text in doubtful:
                readings[text][day] |= pattern.languages
    kept = meaning | {text: preferred(days) for text, days in readings.items()}
    return [p for p in patterns if all(kept[text] == day for text, day in probes(p))]


def probes(pattern):
    """Yields (text, (month, day)) for enough days of a year to find any two that look alike.

    The year is the only number of four digits, so texts that are alike share it. A day can be
    taken for another only by the number in the month, so one day is enough beside a bare name.
    """
    days = 12 if re.search(r"\d", "".join(pattern.months)) else 1
    for weekday in pattern.weekdays or ("",):
        for month in range(1, 13):
            for day in range(1, days + 1):
                yield pattern.write(2000, month, day, weekday), (month, day)
