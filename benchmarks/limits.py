"""Measurement of the machine's limits: the rates that no contestant can exceed.

The rates are those of matrix products; of each function, measured by repeated application, which
needs no memory access if it is compiled; and of memory traffic, measured by the sum of two arrays
that are larger than any cache. The limit is the fastest rate of all backends.
"""

import numpy as np

from benchmarks import timing

# Number of applications of a function per memory access.
CHAIN_LENGTH = 8
RATES = ("flops", "exponentials", "reciprocals", "tanhs", "bytes")
# By `quick`: side of the matrices, number of elements for functions, number of elements for sums.
CPU_SIZES = {False: (1024, 2**18, 2**25), True: (256, 2**14, 2**20)}
GPU_SIZES = {False: (8192, 2**26, 2**27), True: (1024, 2**20, 2**22)}


def measure_rates(engine, mode, dtype, quick):
    """Return {rate: number per second}. The rate "bytes" counts bytes read and bytes written."""
    from keras import ops

    sizes = GPU_SIZES if engine.get_device_name() else CPU_SIZES
    side, chain_elements, sum_elements = sizes[quick]
    rng = np.random.default_rng(0)

    def sample(*shape):
        return engine.to_tensor(rng.uniform(0.5, 1.5, size=shape).astype("float32"), dtype)

    chain_input = sample(chain_elements)
    a, b = sample(side, side), sample(side, side)
    x, y = sample(sum_elements), sample(sum_elements)
    itemsize = 2 if dtype == "bfloat16" else 4
    count = CHAIN_LENGTH * chain_elements
    experiments = {
        "flops": (ops.matmul, [a, b], 2 * side**3),
        "exponentials": (repeat_function(lambda x: ops.exp(-x)), [chain_input], count),
        "reciprocals": (repeat_function(lambda x: 1 / (1 + x)), [chain_input], count),
        "tanhs": (repeat_function(ops.tanh), [chain_input], count),
        "bytes": (ops.add, [x, y], 3 * itemsize * sum_elements),
    }
    calls = {
        name: _make_call(engine, mode, function, inputs)
        for name, (function, inputs, _) in experiments.items()
    }
    times = timing.measure_interleaved(calls, engine.wait, budget=0.05 if quick else 1.0)
    return {
        name: units / times[name].best
        for name, (_, _, units) in experiments.items()
        if isinstance(times[name], timing.Times)
    }


def repeat_function(function):
    """Return a function that applies `function` `CHAIN_LENGTH` times."""

    def chain(x):
        for _ in range(CHAIN_LENGTH):
            x = function(x)
        return x

    return chain


def _make_call(engine, mode, function, inputs):
    from benchmarks.task import Program

    program = Program(lambda weights, *x: function(*x), [], inputs)
    return engine.make_forward(program, mode)


def combine_rates(backend_rates):
    """Return the machine's rates: the maximum over backends, infinite if none was measured."""
    return {
        name: max((rates[name] for rates in backend_rates if name in rates), default=float("inf"))
        for name in RATES
    }
