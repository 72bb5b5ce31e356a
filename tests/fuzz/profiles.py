"""Runs of hypothesis: a quick profile with the same cases every time, and rounds of a long run."""

import dataclasses

import keras
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.checking import check
from tests.fuzz.families import FAMILIES

BACKEND = keras.backend.backend()
# Cheap families have more cases.
QUICK_EXAMPLES = dict.fromkeys(FAMILIES, 20) | {
    "normalize": 40,
    "dot": 60,
    "multi_head": 40,
    "pointer_decode": 8,
    "previous_weights": 40,
    "location_aware": 10,
    "monotonic": 10,
    "sequential_decoder": 10,
    "graph": 10,
    "hops": 10,
    "words": 10,
    "patches": 10,
    "glimpses": 10,
    "lstmn": 6,
    "deep_fusion": 10,
    "residual_stack": 10,
}
QUICK_SHARE = {"tensorflow": 1.0, "jax": 0.15, "torch": 0.5}[BACKEND]
QUICK_COMPILED = {"tensorflow": 0.05, "jax": 0.0, "torch": 0.0}[BACKEND]
LONG_COMPILED = {"tensorflow": 0.15, "jax": 0.15, "torch": 0.0}[BACKEND]
# Of one run of hypothesis. After ten valid cases it draws mostly copies of earlier ones, in which
# one field has the value of another, so that few combinations of fields would be checked.
MAX_EXAMPLES = 10
COMMON = {
    "deadline": None,
    "database": None,
    "suppress_health_check": list(HealthCheck),
    "report_multiple_bugs": False,
}


def run_quick(family, examples=None, shrink=True):
    """Check the same few cases of a family at every run.

    Args:
        family: A name in `FAMILIES`.
        examples: Number of cases; None = that of the quick profile.
        shrink: True to look for the smallest failing case.

    Returns:
        The number of cases that were checked.
    """
    cases, make_problem = FAMILIES[family]
    count = 0

    def build(case):
        nonlocal count
        count += 1
        return make_problem(case)

    examples = examples or round(QUICK_SHARE * QUICK_EXAMPLES[family])
    phases = [Phase.generate, Phase.shrink] if shrink else [Phase.generate]
    for number, first in enumerate(range(0, examples, MAX_EXAMPLES)):

        @seed(number)
        @settings(**COMMON, max_examples=min(MAX_EXAMPLES, examples - first), phases=phases)
        @given(cases(QUICK_COMPILED))
        def check_case(case):
            check(build, case)

        check_case()
    return count


def run_round(family, number, examples, is_over=lambda: False):
    """Check cases of a family, which depend on `number`, and shrink a failure.

    Args:
        family: A name in `FAMILIES`.
        number: Seed of the cases.
        examples: Number of cases, at most `MAX_EXAMPLES`.
        is_over: Function that returns True when the time is over; no more cases are checked then.

    Returns:
        The number of cases that were checked, and None or the smallest failing case with its error.
    """
    cases, build = FAMILIES[family]
    cases = cases(LONG_COMPILED).map(limit_costs)
    count, failure = 0, None

    @seed(number)
    @settings(**COMMON, max_examples=examples, phases=[Phase.generate, Phase.shrink])
    @given(cases)
    def check_case(case):
        nonlocal count, failure
        if failure is None and is_over():
            return
        count += 1
        try:
            check(build, case)
        except Exception as error:
            failure = case, error  # hypothesis runs the smallest failing case last
            raise

    try:
        check_case()
    except Exception as error:
        if failure is None:  # an error of hypothesis itself
            raise
        failure = failure[0], error
    return count, failure


def limit_costs(case):
    """Drop second derivatives under XLA, which compile for a minute, from nine cases in ten."""
    if case.mode.startswith("xla") and case.order > 1 and case.seed % 10:
        return dataclasses.replace(case, order=1)
    return case
