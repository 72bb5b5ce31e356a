import pytest

from benchmarks import timing
from benchmarks.family import Work
from benchmarks.limits import combine_rates

RATES = {"flops": 10, "exponentials": 2, "reciprocals": 5, "tanhs": 1, "bytes": 100}


class Clock:
    """A clock that advances only by the durations of fake calls."""

    def __init__(self):
        self.now = 0.0
        self.order = []

    def __call__(self):
        return self.now

    def make_call(self, name, *seconds):
        remaining = list(seconds)

        def call():
            self.order.append(name)
            self.now += remaining.pop(0) if len(remaining) > 1 else remaining[0]

        return call


def measure(clock, budget=1.0, **calls):
    return timing.measure_interleaved(calls, lambda result: None, budget, clock)


def test_first_call_is_compilation_and_not_a_sample():
    times = measure(clock := Clock(), a=clock.make_call("a", 2.0, 0.1))["a"]
    assert (times.first, times.samples) == (2.0, 10)
    assert times.median == pytest.approx(0.1) and times.compilation == pytest.approx(1.9)


def test_contestants_take_turns():
    clock = Clock()
    measure(clock, a=clock.make_call("a", 0.2), b=clock.make_call("b", 0.1))
    turns = clock.order[6:]  # After the first and two warm calls of each.
    assert turns == ["a", "b"] * (len(turns) // 2) and len(turns) == 10


def test_fast_call_is_repeated_within_a_sample():
    times = measure(clock := Clock(), a=clock.make_call("a", 0.002))["a"]
    assert times.median == pytest.approx(0.002)
    assert len(clock.order) == 3 + 5 * times.samples


def test_slow_call_has_fewer_samples():
    counts = []
    for seconds in (4.0, 20.0):
        clock = Clock()
        counts.append(measure(clock, a=clock.make_call("a", seconds))["a"].samples)
    assert counts == [3, 1]


def test_error_of_a_contestant_does_not_affect_the_others():
    def fail():
        raise RuntimeError("no memory\nand much more")

    clock = Clock()
    times = measure(clock, a=fail, b=clock.make_call("b", 0.1))
    assert times["a"] == "RuntimeError: no memory and much more" and times["b"].samples == 10
    assert list(times) == ["a", "b"]


def test_median_and_quartiles():
    times = timing.summarize([5.0, 1.0, 3.0, 2.0, 4.0], first=9.0)
    assert (times.best, times.lower, times.median, times.upper) == (1.0, 2.0, 3.0, 4.0)
    assert times.spread == pytest.approx(2 / 3)


def test_limit_is_computation_or_memory_traffic():
    assert Work(flops=20, exponentials=2, tanhs=1, bytes=100).seconds(RATES) == 2 + 1 + 1
    assert Work(flops=20, bytes=900).seconds(RATES) == 9
    assert Work(reciprocals=5).seconds(RATES) == 1


def test_rate_of_the_machine_is_the_maximum_over_backends():
    rates = combine_rates([{"flops": 3, "tanhs": 5}, {"flops": 4, "exponentials": 1}])
    assert (rates["flops"], rates["tanhs"], rates["exponentials"]) == (4, 5, 1)
    assert rates["bytes"] == float("inf")
