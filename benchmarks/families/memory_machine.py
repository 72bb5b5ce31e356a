"""The Neural Turing Machine, against one that shifts by a slots x slots matrix."""

from benchmarks.families.drawn import normal, weights
from benchmarks.family import Contestant, Data, Family, Work


def data(sizes, rng):
    b, t, i, u = (sizes[name] for name in ("batch", "length", "inputs", "units"))
    n, m, c = (sizes[name] for name in ("slots", "width", "controller"))
    numbers = 2 * (m + 6) + 2 * m
    drawn = weights(
        rng,
        address_start=(2, n),
        read_start=(1, m),
        hidden_start=(c,),
        carry_start=(c,),
        kernel=(i + m, 4 * c),
        recurrent_kernel=(c, 4 * c),
        bias=(4 * c,),
        heads_kernel=(c, numbers),
        heads_bias=(numbers,),
        output_kernel=(c + m, u),
        output_bias=(u,),
    )
    return Data([normal(rng, b, t, i)], drawn)


def work(sizes, step):
    """A step: the controller, and for each slot and place cosines, reading, erasing, adding."""
    b, t, i, u = (sizes[name] for name in ("batch", "length", "inputs", "units"))
    n, m, c = (sizes[name] for name in ("slots", "width", "controller"))
    controller = 2 * 4 * c * (i + m + c) + 2 * c * (4 * m + 12) + 2 * (c + m) * u
    # Two cosines 2 flops each, one norm 2, a read 2, an erasure 3, an addition 2; 3 shifts of two
    # heads; exponentials of two softmaxes and the logarithm, of two heads.
    memory = (4 + 2 + 2 + 3 + 2) * n * m + 2 * 6 * n
    times = 1 if step == "forward" else 3
    moved = 4 * b * t * (i + u)
    steps = b * t
    return Work(times * steps * (controller + memory), steps * 6 * n, 0, steps * 5 * c, moved)


def ours(task):
    import keras

    import keras_attention

    sizes = task.sizes
    cell = keras_attention.NTMCell(
        sizes["units"],
        slots=sizes["slots"],
        width=sizes["width"],
        controller_units=sizes["controller"],
        dtype=task.policy,
    )
    return run(task, keras.layers.RNN(cell, return_sequences=True, dtype=task.policy))


def plain(task):
    import keras

    from benchmarks.plain.memory_machine import PlainNTMCell

    sizes = (task.sizes[name] for name in ("units", "slots", "width", "controller"))
    cell = PlainNTMCell(*sizes, dtype="float32")
    return run(task, keras.layers.RNN(cell, return_sequences=True, dtype="float32"))


def run(task, layer):
    return task.layer(layer, task.data.weights.values())


FAMILY = Family(
    name="memory_machine",
    title="NTMCell in an RNN",
    sizes={"batch": 16, "inputs": 8, "units": 8, "slots": 128, "width": 20, "controller": 100},
    lengths=(16, 64),
    quick_sizes={"batch": 2, "inputs": 3, "units": 5, "slots": 8, "width": 4, "controller": 6},
    quick_lengths=(4,),
    data=data,
    work=work,
    contestants=(
        Contestant("ours", ours),
        Contestant("plain, N x N shift", plain),
    ),
)
