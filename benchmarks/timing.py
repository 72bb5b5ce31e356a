"""Measurement of the times of several calls, in interleaved samples after a warm-up."""

import dataclasses
import statistics
import time

# A fast call is repeated within a sample, until the sample takes this fraction of the budget.
MIN_SAMPLE_FRACTION = 0.01
MAX_SAMPLES = 25
# Calls that take longer than the first value get only 3 samples; than the second one, only 1.
MAX_SECONDS_FOR_FIVE_SAMPLES, MAX_SECONDS_FOR_THREE_SAMPLES = 3.0, 15.0


@dataclasses.dataclass(frozen=True)
class Times:
    """Statistics of the seconds per call.

    best, median: of the samples. lower, upper: their quartiles. samples: their number. first: the
    seconds of the first call, which compiles.
    """

    best: float
    median: float
    lower: float
    upper: float
    samples: int
    first: float

    @property
    def compilation(self):
        """Compilation time in seconds: the first call minus the median of warm calls."""
        return max(0.0, self.first - self.median)

    @property
    def spread(self):
        """Interquartile range divided by the median."""
        return (self.upper - self.lower) / self.median


def summarize(samples, first):
    """Return the `Times` of one contestant from its samples and its first call."""
    if len(samples) == 1:
        return Times(*samples * 4, 1, first)
    lower, median, upper = statistics.quantiles(samples, n=4, method="inclusive")
    return Times(min(samples), median, lower, upper, len(samples), first)


def measure_interleaved(calls, wait, budget, clock=time.perf_counter):
    """Measure the calls in turns, so that a temporary slowdown of the machine affects all of them.

    Args:
        calls: {name: function without arguments}.
        wait: Function that blocks until the result of a call is available.
        budget: Approximate total seconds of the samples of one call.
        clock: Function that returns the time in seconds.

    Returns:
        {name: `Times`, or the message of the error that the call raised}.
    """
    first, warm, errors = {}, {}, {}
    for name, call in calls.items():
        try:
            first[name] = _measure_sample(call, wait, 1, clock)
            is_slow = first[name] > MAX_SECONDS_FOR_THREE_SAMPLES
            # Make two warm calls, because the first one may still allocate, or trace again for the
            # types of the first result.
            repeated = [_measure_sample(call, wait, 1, clock) for _ in range(0 if is_slow else 2)]
            warm[name] = min(repeated or [first[name]])
        except Exception as error:  # the table reports any error of a backend
            errors[name] = format_error(error)
    names = [name for name in calls if name not in errors]
    repeats = {name: max(1, round(MIN_SAMPLE_FRACTION * budget / warm[name])) for name in names}
    max_seconds = max((repeats[name] * warm[name] for name in names), default=1)
    samples = {name: [] for name in names}
    for _ in range(_count_samples(max_seconds, budget)):
        for name in names:
            samples[name].append(_measure_sample(calls[name], wait, repeats[name], clock))
    times = {name: summarize(samples[name], first[name]) for name in names}
    return {name: times.get(name, errors.get(name)) for name in calls}


def format_error(error):
    """Return an error's type and message, shortened for a table."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}".replace("|", "/")


def _measure_sample(call, wait, repeats, clock):
    """Return the mean seconds of `repeats` calls."""
    start = clock()
    for _ in range(repeats):
        result = call()
    wait(result)
    return (clock() - start) / repeats


def _count_samples(max_seconds, budget):
    if max_seconds > MAX_SECONDS_FOR_THREE_SAMPLES:
        return 1
    min_samples = 3 if max_seconds > MAX_SECONDS_FOR_FIVE_SAMPLES else 5
    return min(MAX_SAMPLES, max(min_samples, round(budget / max_seconds)))
