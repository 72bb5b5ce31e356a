"""The cases of a run: the combinations of family, length, dtype, step, backend and mode."""

import dataclasses
import itertools

from benchmarks.families import FAMILIES
from benchmarks.family import BACKENDS, SERVED

DTYPES = {"cpu": ("float32", "bfloat16"), "gpu": ("float32", "tf32", "bfloat16")}


@dataclasses.dataclass(frozen=True)
class Case:
    """One measurement: the times of all contestants, or the peak memory of one contestant.

    measure: "time" or "memory"; contestant: the name of the contestant whose memory is measured,
    None for times.
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
        """Key of the case's result in the file of results."""
        sizes = ",".join(f"{name}={size}" for name, size in self.sizes)
        parts = [self.measure, self.family, self.dtype, self.step, self.backend, self.mode, sizes]
        return "/".join([*parts, *([self.contestant] if self.contestant else [])])

    def to_json(self):
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, fields):
        """Create a case from the fields that `to_json` returned."""
        sizes = tuple((name, size) for name, size in fields["sizes"])
        return cls(**{**fields, "sizes": sizes})


def list_cases(backends, device="cpu", quick=False, only=""):
    """Return all cases. Those that the goals need come first; backend and mode vary fastest."""
    cases = []
    for family in FAMILIES.values():
        if only in family.name:
            cases += _iterate_family(family, backends, DTYPES[device], quick)
    return sorted(cases, key=lambda case: _sort_key(case, quick))


def _iterate_family(family, backends, dtypes, quick):
    if quick:
        family = _shrink(family)
    for length, dtype, step in itertools.product(family.lengths, dtypes, family.steps):
        if dtype != "float32" and length not in family.half_lengths:
            continue
        for backend in backends:
            if not any(backend in contestant.backends for contestant in family.contestants):
                continue
            for mode in BACKENDS[backend]:
                yield _make_case(family, length, dtype, step, backend, mode)
    if SERVED[0] in backends:
        for length in family.served_lengths:
            yield _make_case(family, length, "float32", "forward", *SERVED)
    # Measure memory on the first backend only, because each contestant needs its own process.
    backend = backends[0]
    modes, steps, contestants = BACKENDS[backend], family.steps, family.contestants
    if quick:
        modes, steps, contestants = modes[:1], steps[:1], contestants[:1]
    for length, step, mode in itertools.product(family.memory_lengths, steps, modes):
        case = _make_case(family, length, "float32", step, backend, mode)
        for contestant in contestants:
            if backend in contestant.backends:
                yield dataclasses.replace(case, measure="memory", contestant=contestant.name)


def _make_case(family, length, dtype, step, backend, mode):
    sizes = tuple({**family.sizes, "length": length}.items())
    return Case(family.name, length, dtype, step, backend, mode, sizes)


def _shrink(family):
    """Return the family at small sizes, for a quick run.

    The first family keeps every kind of case; the others keep only the forward pass in float32.
    """
    lengths, fields = family.quick_lengths, ("half_lengths", "memory_lengths", "served_lengths")
    is_first = family is next(iter(FAMILIES.values()))
    return dataclasses.replace(
        family,
        sizes=family.quick_sizes,
        lengths=lengths,
        steps=family.steps if is_first else family.steps[:1],
        **dict.fromkeys(fields, lengths[-1:] if is_first else ()),
    )


def _sort_key(case, quick):
    family = FAMILIES[case.family]
    is_goal = quick or case.length in family.goal_lengths
    order = list(FAMILIES).index(case.family)
    is_half = case.dtype != "float32"
    return not is_goal, is_half, case.length, case.measure == "memory", order, case.step
