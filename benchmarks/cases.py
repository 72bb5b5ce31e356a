"""The cases: every family at every length, in every dtype, step, backend and mode."""

import dataclasses
import itertools

from benchmarks.families import FAMILIES
from benchmarks.family import BACKENDS, SERVED

DTYPES = {"cpu": ("float32", "bfloat16"), "gpu": ("float32", "tf32", "bfloat16")}


@dataclasses.dataclass(frozen=True)
class Case:
    """What is measured at once: its contestants side by side, or one contestant's peak memory.

    measure: "time" or "memory"; contestant: of a memory case, whose process of its own it is.
    """

    family: str
    length: int
    dtype: str
    step: str
    backend: str
    mode: str
    sizes: tuple
    measure: str = "time"
    contestant: str | None = None

    @property
    def key(self):
        """The name under which results are kept."""
        sizes = ",".join(f"{name}={size}" for name, size in self.sizes)
        parts = [self.measure, self.family, self.dtype, self.step, self.backend, self.mode, sizes]
        return "/".join([*parts, *([self.contestant] if self.contestant else [])])

    def as_json(self):
        return dataclasses.asdict(self)


def from_json(found):
    """The case that `as_json` wrote."""
    sizes = tuple((name, size) for name, size in found["sizes"])
    return Case(**{**found, "sizes": sizes})


def cases(backends, device="cpu", quick=False, only=""):
    """All cases, those that goals speak of first; neighbours differ in backend and mode alone."""
    found = []
    for family in FAMILIES.values():
        if only in family.name:
            found += _of_family(family, backends, DTYPES[device], quick)
    return sorted(found, key=lambda case: _urgency(case, quick))


def _of_family(family, backends, dtypes, quick):
    if quick:
        family = _quick(family)
    for length, dtype, step in itertools.product(family.lengths, dtypes, family.steps):
        if dtype != "float32" and length not in family.half_lengths:
            continue
        for backend in backends:
            for mode in BACKENDS[backend]:
                yield _case(family, length, dtype, step, backend, mode)
    if SERVED[0] in backends:
        for length in family.served_lengths:
            yield _case(family, length, "float32", "forward", *SERVED)
    # One backend tells how memory grows; a process for each contestant takes long enough.
    backend = backends[0]
    modes, steps, contestants = BACKENDS[backend], family.steps, family.contestants
    if quick:
        modes, steps, contestants = modes[:1], steps[:1], contestants[:1]
    for length, step, mode in itertools.product(family.memory_lengths, steps, modes):
        case = _case(family, length, "float32", step, backend, mode)
        for contestant in contestants:
            if backend in contestant.backends:
                yield dataclasses.replace(case, measure="memory", contestant=contestant.name)


def _case(family, length, *how):
    return Case(family.name, length, *how, tuple({**family.sizes, "length": length}.items()))


def _quick(family):
    """The family at small sizes; the first one's every aspect, of the others the forward pass."""
    lengths, aspects = family.quick_lengths, ("half_lengths", "memory_lengths", "served_lengths")
    is_first = family is next(iter(FAMILIES.values()))
    return dataclasses.replace(
        family,
        sizes=family.quick_sizes,
        lengths=lengths,
        steps=family.steps if is_first else family.steps[:1],
        **dict.fromkeys(aspects, lengths[-1:] if is_first else ()),
    )


def _urgency(case, quick):
    family = FAMILIES[case.family]
    is_goal = quick or case.length in family.goal_lengths
    order = list(FAMILIES).index(case.family)
    halves = case.dtype != "float32"
    return not is_goal, halves, case.length, case.measure == "memory", order, case.step
