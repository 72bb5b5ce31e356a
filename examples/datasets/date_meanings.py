"""Removal of date formats that make a text ambiguous.

- Dates in digits: for each kind of separators, only the order of day and month that most languages
  use is kept. `3/5/2003` is the third of May. Locales that write the month first between slashes
  (en_US) keep their other formats.
- Dates with names: if a name means different months in different languages, only the formats with
  the meaning of most languages are kept.
"""

import re
from collections import defaultdict


def select_preferred(readings):
    """Return the reading with the most languages.

    Args:
        readings: Dict of reading (an order, or a day) to the set of languages that use it.
    """
    return max(readings, key=lambda reading: (len(readings[reading]), reading))


def keep_one_order(patterns):
    """Drop the patterns in digits for whose separators most languages use the other order."""
    readings = defaultdict(lambda: defaultdict(set))
    for pattern in patterns:
        separators, order = get_digit_order(pattern)
        readings[separators][order] |= pattern.languages
    orders_kept = {separators: select_preferred(orders) for separators, orders in readings.items()}
    return [p for p in patterns if orders_kept[get_digit_order(p)[0]] == get_digit_order(p)[1]]


def get_digit_order(pattern):
    """Return (separators, order of day and month) of a pattern in digits, else (pattern, ())."""
    if not pattern.months[0].isdecimal():
        return pattern, ()
    core = re.search(r"\{(year|month|day)\}.*\{(year|month|day)\}", pattern.template)[0]
    core = core.replace("{weekday}", "")
    order = re.findall(r"\{(month|day)\}", core)
    return re.sub(r"\{(month|day)\}", "#", core), tuple(order)


def keep_one_meaning(patterns):
    """Drop the patterns that give a text which more languages use for another day."""
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
    """Yield (text, (month, day)) for enough days of one year to find all ambiguous texts.

    One year is enough: the year is the only number of four digits, so equal texts have the same
    year. One day per month is enough if the month is a name, because days can be confused only with
    months that are numbers. Otherwise twelve days are enough.
    """
    days = 12 if re.search(r"\d", "".join(pattern.months)) else 1
    for weekday in pattern.weekdays or ("",):
        for month in range(1, 13):
            for day in range(1, days + 1):
                yield pattern.write(2000, month, day, weekday), (month, day)
