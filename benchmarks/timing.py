"""Times of calls side by side: interleaved, warm, and compilation apart."""

import dataclasses
import statistics
import time

SHORTEST = 0.01  # of the budget a sample takes at least: a faster call is repeated within it
MOST = 25  # samples of each
SLOW, VERY_SLOW = 3.0, 15.0  # seconds of a call, of which 3 samples, or 1, have to do


@dataclasses.dataclass(frozen=True)
class Times:
    """Seconds of one call, from `samples`; first: of the first call, which compiles."""

    best: float
    median: float
    lower: float
    upper: float
    samples: int
    first: float

    @property
    def compilation(self):
        """Seconds of the first call beyond a usual one."""
        return max(0.0, self.first - self.median)

    @property
    def spread(self):
        """Distance of the quartiles, by the median."""
        return (self.upper - self.lower) / self.median


def times_of(samples, first):
    """`Times` of all samples of one contestant."""
    if len(samples) == 1:
        return Times(*samples * 4, 1, first)
    lower, median, upper = statistics.quantiles(samples, n=4, method="inclusive")
    return Times(min(samples), median, lower, upper, len(samples), first)


def interleaved(calls, wait, budget, clock=time.perf_counter):
    """Takes turns, so that what slows the machine down for a while slows all of them down.

    Args:
        calls: {name: call without arguments}.
        wait: Returns when a call's result is there.
        budget: Seconds that a contestant's samples may take, about.
        clock: Gives the time in seconds.

    Returns:
        {name: `Times`, or the message of what it raised}.
    """
    first, single, failed = {}, {}, {}
    for name, call in calls.items():
        try:
            first[name] = _sample(call, wait, 1, clock)
            slow = first[name] > VERY_SLOW
            # Twice: the second call may still allocate, or trace for what the first returned.
            again = [first[name]] if slow else [_sample(call, wait, 1, clock) for _ in range(2)]
            single[name] = min(again)
        except Exception as error:  # whatever a backend refuses belongs in the table
            failed[name] = message_of(error)
    running = [name for name in calls if name not in failed]
    repeats = {name: max(1, round(SHORTEST * budget / single[name])) for name in running}
    count = _samples(max((repeats[name] * single[name] for name in running), default=1), budget)
    samples = {name: [] for name in running}
    for _ in range(count):
        for name in running:
            samples[name].append(_sample(calls[name], wait, repeats[name], clock))
    found = {name: times_of(samples[name], first[name]) for name in running}
    return {name: found.get(name, failed.get(name)) for name in calls}


def message_of(error):
    """What was raised, short enough for a table."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}".replace("|", "/")


def _sample(call, wait, repeats, clock):
    """Seconds of one call, the mean of some."""
    start = clock()
    for _ in range(repeats):
        result = call()
    wait(result)
    return (clock() - start) / repeats


def _samples(slowest, budget):
    if slowest > VERY_SLOW:
        return 1
    least = 3 if slowest > SLOW else 5
    return min(MOST, max(least, round(budget / slowest)))
