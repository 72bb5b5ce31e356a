"""The classes that describe a benchmark family: a mechanism, its contestants and its work."""

import dataclasses
from collections.abc import Callable

# The modes of each backend.
BACKENDS = {"tensorflow": ("xla", "plain"), "jax": ("xla",), "torch": ("eager",)}
# Backend and mode of exported models in TensorFlow's C++ loader, for the float32 forward pass only.
SERVED = ("tensorflow", "served")
STEPS = ("forward", "training")


@dataclasses.dataclass(frozen=True)
class Work:
    """The operations that one call mathematically requires, whatever its implementation.

    flops: number of multiplications and additions; exponentials, reciprocals, tanhs: number of
    evaluations of these functions; bytes: minimum number of bytes read and written, in float32.
    """

    flops: float = 0
    exponentials: float = 0
    reciprocals: float = 0
    tanhs: float = 0
    bytes: float = 0

    def seconds(self, rates):
        """Return the minimum time at a machine's rates.

        The times of all computations add up, because the same vector units do them. Memory traffic
        runs concurrently, so the result is the maximum of computation and memory traffic.
        """
        counts = dataclasses.asdict(self)
        transfer = counts.pop("bytes") / rates["bytes"]
        return max(sum(count / rates[name] for name, count in counts.items()), transfer)


@dataclasses.dataclass(frozen=True)
class Data:
    """The data of a case, which all contestants share.

    inputs: float32 arrays, the inputs of one call; weights: {name: float32 array}.
    """

    inputs: list
    weights: dict


def no_intermediates(sizes, step, mode):
    """Return 0, for contestants whose intermediate tensors grow only as fast as the sequence."""
    return 0


@dataclasses.dataclass(frozen=True)
class Contestant:
    """One implementation of a mechanism.

    name: name in the tables. make: function of a `benchmarks.task.Task` that returns a `Program`;
    it imports its backend itself, because the process that lists the cases must not import one.
    backends: the backends on which it runs. intermediate_bytes: function `(sizes, step, mode)` that
    returns the bytes of the live intermediate tensors that grow faster than the sequence.
    matches_ours: whether its results equal those of our layer. needs: a module that it needs in
    addition to the backend. in_quick_run: whether `--quick` and the tests include it; False for a
    contestant that takes long to compile.
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

    sizes: all sizes but the `length`. lengths: values of T, ascending. make_data: function `(sizes,
    rng)` that returns `Data`. count_work: function `(sizes, step)` that returns `Work`.
    half_lengths: lengths that are measured in bfloat16 too. memory_lengths: lengths whose peak
    memory is measured. served_lengths: lengths at which exported models are measured too.
    goal_lengths: lengths that the goals need, which are measured first. quick_sizes and
    quick_lengths: replacements of sizes and lengths under `--quick`, which leaves out a
    family without quick_lengths.
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
        (contestant,) = [c for c in self.contestants if c.name == name]
        return contestant
