"""What the machine can do: the rates that no contestant can exceed, measured in the same run.

Each is the fastest that a backend reaches: products of matrices; chains of one function, which
compiled stay in registers; and a sum of two arrays larger than any cache.
"""

import numpy as np

from benchmarks import timing

CHAIN = 8  # functions one after the other: memory is touched once for all of them
RATES = ("flops", "exponentials", "reciprocals", "tanhs", "bytes")
# numbers in: a matrix's side, elements of a chain, elements of a sum.
SIZES = {False: (1024, 2**18, 2**25), True: (256, 2**14, 2**20)}
GPU_SIZES = {False: (8192, 2**26, 2**27), True: (1024, 2**20, 2**22)}


def rates(engine, mode, dtype, quick):
    """{rate: units a second}; "bytes" counts those read and those written."""
    from keras import ops

    side, elements, moved = (GPU_SIZES if engine.device() else SIZES)[quick]
    rng = np.random.default_rng(0)

    def tensor(*shape):
        return engine.tensor(rng.uniform(0.5, 1.5, size=shape).astype("float32"), dtype)

    small = tensor(elements)
    a, b = tensor(side, side), tensor(side, side)
    x, y = tensor(moved), tensor(moved)
    width = 2 if dtype == "bfloat16" else 4
    experiments = {
        "flops": (lambda: (ops.matmul, [a, b]), 2 * side**3),
        "exponentials": (lambda: (chain(lambda x: ops.exp(-x)), [small]), CHAIN * elements),
        "reciprocals": (lambda: (chain(lambda x: 1 / (1 + x)), [small]), CHAIN * elements),
        "tanhs": (lambda: (chain(ops.tanh), [small]), CHAIN * elements),
        "bytes": (lambda: (ops.add, [x, y]), 3 * width * moved),
    }
    calls = {name: _call(engine, mode, *make()) for name, (make, _) in experiments.items()}
    found = timing.interleaved(calls, engine.wait, budget=0.05 if quick else 1.0)
    return {
        name: units / found[name].best
        for name, (_, units) in experiments.items()
        if isinstance(found[name], timing.Times)
    }


def chain(function):
    """The function, several times over."""

    def chained(x):
        for _ in range(CHAIN):
            x = function(x)
        return x

    return chained


def _call(engine, mode, function, inputs):
    from benchmarks.task import Program

    return engine.forward(Program(lambda weights, *x: function(*x), [], inputs), mode)


def best(measured):
    """The machine's: of each rate the highest that any backend reached."""
    return {
        name: max((rates[name] for rates in measured if name in rates), default=float("inf"))
        for name in RATES
    }
