"""The description of a benchmark family: a mechanism, its contestants, and the work it requires."""

import dataclasses
from collections.abc import Callable

BACKENDS = {"tensorflow": ("xla", "plain"), "jax": ("xla",), "torch": ("eager",)}
# In TensorFlow's C++ loader; only the forward pass in float32.
SERVED = ("tensorflow", "served")
STEPS = ("forward", "training")


@dataclasses.dataclass(frozen=True)
class Work:
    """The operations that the mathematics of one call requires of any implementation.

    flops: number of multiplications and additions; exponentials, reciprocals, tanhs: numbers of
    these functions; bytes: minimum memory traffic, read and written, in float32.
    """

    flops: float = 0
    exponentials: float = 0
    reciprocals: float = 0
    tanhs: float = 0
    bytes: float = 0

    def seconds(self, rates):
        """Return the minimum time at a machine's rates: computation or memory traffic.

        The computations add up, because one vector unit does all of them; memory traffic runs
        concurrently.
        """
        counts = dataclasses.asdict(self)
        transfer = counts.pop("bytes") / rates["bytes"]
        return max(sum(count / rates[name] for name, count in counts.items()), transfer)


@dataclasses.dataclass(frozen=True)
class Data:
    """inputs: float32 arrays of one call; weights: {name: array}, the same for all contestants."""

    inputs: list
    weights: dict


def no_intermediates(sizes, step, mode):
    """Return 0: all intermediate tensors are of the size of the sequence."""
    return 0


@dataclasses.dataclass(frozen=True)
class Contestant:
    """One implementation of a mechanism.

    name: its name in the tables. make: `(task) -> Program`, with a `benchmarks.task.Task`; it
    imports its backend itself, because the process that lists the cases must not import one.
    backends: the backends that it runs on. intermediate_bytes: `(sizes, step, mode) -> bytes` of
    the live intermediate tensors that grow faster than the sequence. matches_ours: whether its
    results equal those of our layer. needs: a module that it needs beside the backend.
    in_quick_run: whether `--quick` and the tests include it; False if it compiles for long.
    """

    name: str
    make: Callable
    backends: tuple = tuple(BACKENDS)
    intermediate_bytes: Callable = no_intermediates
    matches_ours: bool = True
    needs: str | None = None
    in_quick_run: bool = True


@dataclasses.dataclass(frozen=True)
class Family:
    """A mechanism with its contestants, the first of which is this package's layer.

    sizes: all sizes but the `length`; lengths: values of T, ascending; make_data: `(sizes, rng) ->
    Data`; count_work: `(sizes, step) -> Work`. half_lengths: lengths measured in bfloat16 too;
    memory_lengths: lengths whose peak memory is measured; served_lengths: lengths measured as
    exported models too; goal_lengths: lengths that appear in goals, measured first. quick_sizes
    and quick_lengths: their replacements under `--quick`; no lengths = not part of it.
    """

    name: str
    title: str
    sizes: dict
    lengths: tuple
    contestants: tuple
    make_data: Callable
    count_work: Callable
    quick_sizes: dict
    quick_lengths: tuple
    half_lengths: tuple = ()
    memory_lengths: tuple = ()
    goal_lengths: tuple = ()
    served_lengths: tuple = ()
    steps: tuple = STEPS

    def get_contestant(self, name):
        (contestant,) = [each for each in self.contestants if each.name == name]
        return contestant
