"""Family: a Neural Turing Machine, and one that shifts addresses by a slots x slots matrix."""

from benchmarks.families.random_data import sample_normal, sample_weights
from benchmarks.family import Contestant, Data, Family, Work


def make_data(sizes, rng):
    b, t, i, u = (sizes[name] for name in ("batch", "length", "inputs", "units"))
    n, m, c = (sizes[name] for name in ("slots", "width", "controller"))
    parameter_count = 2 * (m + 6) + 2 * m  # of the two heads
    initial_weights = sample_weights(
        rng,
        address_start=(2, n),
        read_start=(1, m),
        hidden_start=(c,),
        carry_start=(c,),
        kernel=(i + m, 4 * c),
        recurrent_kernel=(c, 4 * c),
        bias=(4 * c,),
        heads_kernel=(c, parameter_count),
        heads_bias=(parameter_count,),
        output_kernel=(c + m, u),
        output_bias=(u,),
    )
    return Data([sample_normal(rng, b, t, i)], initial_weights)


def count_work(sizes, step):
    """Count the work of the controller, and of the memory's addressing, read and write."""
    b, t, i, u = (sizes[name] for name in ("batch", "length", "inputs", "units"))
    n, m, c = (sizes[name] for name in ("slots", "width", "controller"))
    controller = 2 * 4 * c * (i + m + c) + 2 * c * (4 * m + 12) + 2 * (c + m) * u
    # Flops per memory cell: two cosines with 2 each, a norm with 2, a read with 2, an erasure with
    # 3, an addition with 2. Per slot and head: 3 shifts with 2 flops each; the exponentials of two
    # softmaxes, and the logarithm of the power, which is counted as an exponential.
    memory = (4 + 2 + 2 + 3 + 2) * n * m + 2 * 6 * n
    passes = 1 if step == "forward" else 3
    moved_bytes = 4 * b * t * (i + u)
    steps = b * t
    return Work(
        passes * steps * (controller + memory), steps * 6 * n, 0, steps * 5 * c, moved_bytes
    )


def make_ours(task):
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
    return make_rnn_program(task, keras.layers.RNN(cell, return_sequences=True, dtype=task.policy))


def make_plain(task):
    import keras

    from benchmarks.plain.memory_machine import PlainNTMCell

    sizes = (task.sizes[name] for name in ("units", "slots", "width", "controller"))
    cell = PlainNTMCell(*sizes, dtype="float32")
    return make_rnn_program(task, keras.layers.RNN(cell, return_sequences=True, dtype="float32"))


def make_rnn_program(task, layer):
    return task.make_layer_program(layer, task.data.weights.values())


FAMILY = Family(
    name="memory_machine",
    title="NTMCell in an RNN",
    sizes={"batch": 16, "inputs": 8, "units": 8, "slots": 128, "width": 20, "controller": 100},
    lengths=(16, 64),
    half_lengths=(64,),
    quick_sizes={"batch": 2, "inputs": 3, "units": 5, "slots": 8, "width": 4, "controller": 6},
    quick_lengths=(4,),
    make_data=make_data,
    count_work=count_work,
    contestants=(
        Contestant("ours", make_ours),
        Contestant("plain, N x N shift", make_plain),
    ),
)
