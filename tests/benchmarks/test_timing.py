import pytest

from benchmarks import timing
from benchmarks.family import Work
from benchmarks.limits import best

RATES = {"flops": 10, "exponentials": 2, "reciprocals": 5, "tanhs": 1, "bytes": 100}


class Clock:
    """Time that passes only when a call says so."""

    def __init__(self):
        self.now = 0.0
        self.order = []

    def __call__(self):
        return self.now

    def takes(self, name, *seconds):
        left = list(seconds)

        def call():
            self.order.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return call


def measured(clock, budget=1.0, **calls):
    return timing.interleaved(calls, lambda result: None, budget, clock)


def test_the_first_call_is_compilation_and_does_not_count():
    found = measured(clock := Clock(), a=clock.takes("a", 2.0, 0.1))["a"]
    assert (found.first, found.samples) == (2.0, 10)
    assert found.median == pytest.approx(0.1) and found.compilation == pytest.approx(1.9)


def test_contestants_take_turns():
    clock = Clock()
    measured(clock, a=clock.takes("a", 0.2), b=clock.takes("b", 0.1))
    turns = clock.order[6:]  # after three warm calls of each
    assert turns == ["a", "b"] * (len(turns) // 2) and len(turns) == 10


def test_a_fast_call_is_repeated_within_a_sample():
    found = measured(clock := Clock(), a=clock.takes("a", 0.002))["a"]
    assert found.median == pytest.approx(0.002)
    assert len(clock.order) == 3 + 5 * found.samples


def test_a_slow_call_is_sampled_less():
    counts = []
    for seconds in (4.0, 20.0):
        clock = Clock()
        counts.append(measured(clock, a=clock.takes("a", seconds))["a"].samples)
    assert counts == [3, 1]


def test_a_contestant_that_raises_spoils_no_other():
    def refuses():
        raise RuntimeError("no memory\nand much more")

    clock = Clock()
    found = measured(clock, a=refuses, b=clock.takes("b", 0.1))
    assert found["a"] == "RuntimeError: no memory and much more" and found["b"].samples == 10
    assert list(found) == ["a", "b"]


def test_median_and_quartiles():
    times = timing.times_of([5.0, 1.0, 3.0, 2.0, 4.0], first=9.0)
    assert (times.best, times.lower, times.median, times.upper) == (1.0, 2.0, 3.0, 4.0)
    assert times.spread == pytest.approx(2 / 3)


def test_the_limit_is_what_has_to_be_computed_or_what_has_to_be_moved():
    assert Work(flops=20, exponentials=2, tanhs=1, bytes=100).seconds(RATES) == 2 + 1 + 1
    assert Work(flops=20, bytes=900).seconds(RATES) == 9
    assert Work(reciprocals=5).seconds(RATES) == 1


def test_the_machines_rate_is_the_best_of_all_backends():
    rates = best([{"flops": 3, "tanhs": 5}, {"flops": 4, "exponentials": 1}])
    assert (rates["flops"], rates["tanhs"], rates["exponentials"]) == (4, 5, 1)
    assert rates["bytes"] == float("inf")
