"""What a family of the benchmark is: a mechanism, its contestants, and what it asks for."""

import dataclasses
from collections.abc import Callable

BACKENDS = {"tensorflow": ("xla", "plain"), "jax": ("xla",), "torch": ("eager",)}
SERVED = ("tensorflow", "served")  # in TensorFlow's C++ loader: the forward pass, in float32
STEPS = ("forward", "training")


@dataclasses.dataclass(frozen=True)
class Work:
    """What the mathematics of one call asks for, whoever computes it and however.

    flops: multiplications and additions; exponentials, reciprocals, tanhs: how many of each; bytes:
    what has to be read and written at the least, in float32.
    """

    flops: float = 0
    exponentials: float = 0
    reciprocals: float = 0
    tanhs: float = 0
    bytes: float = 0

    def seconds(self, rates):
        """The least time at a machine's rates: all that is computed, or all that is moved.

        What is computed adds up, for one vector unit does all of it; memory moves beside that.
        """
        counts = dataclasses.asdict(self)
        moved = counts.pop("bytes") / rates["bytes"]
        return max(sum(count / rates[name] for name, count in counts.items()), moved)


@dataclasses.dataclass(frozen=True)
class Data:
    """inputs: float32 arrays of one call; weights: {name: array}, the same for all contestants."""

    inputs: list
    weights: dict


def nothing(sizes, step, mode):
    """What a contestant holds that grows with the sequence only."""
    return 0


@dataclasses.dataclass(frozen=True)
class Contestant:
    """One way to compute it.

    name: what the table calls it. make: `(task) -> Program`, with a `benchmarks.task.Task`; it
    imports what it needs by itself, because the process that lists the cases imports no backend.
    backends: where it runs. held: `(sizes, step, mode) -> bytes` of the intermediate tensors that
    it holds at once and that grow faster than the sequence. same: whether its numbers are ours.
    needs: a module that it needs beside the backend.
    """

    name: str
    make: Callable
    backends: tuple = tuple(BACKENDS)
    held: Callable = nothing
    same: bool = True
    needs: str | None = None


@dataclasses.dataclass(frozen=True)
class Family:
    """A mechanism with its contestants, of which the first is this package's layer.

    sizes: all but the `length`; lengths: T, growing; data: `(sizes, rng) -> Data`; work: `(sizes,
    step) -> Work`. half_lengths: those measured in bfloat16 too; memory_lengths: those whose peak
    memory is measured; served_lengths: those measured as exports too; goal_lengths: those that
    goals speak of, measured first. quick_sizes and quick_lengths: what `--quick` takes instead.
    """

    name: str
    title: str
    sizes: dict
    lengths: tuple
    contestants: tuple
    data: Callable
    work: Callable
    quick_sizes: dict
    quick_lengths: tuple
    half_lengths: tuple = ()
    memory_lengths: tuple = ()
    goal_lengths: tuple = ()
    served_lengths: tuple = ()
    steps: tuple = STEPS

    def contestant(self, name):
        (found,) = [each for each in self.contestants if each.name == name]
        return found
