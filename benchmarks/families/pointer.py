"""Family: a pointer decoder with teacher forcing, whose T steps each point to one of T elements."""

from benchmarks.families import additive
from benchmarks.families.random_data import sample_normal, sample_weights
from benchmarks.family import Contestant, Data, Family, Work


def make_data(sizes, rng):
    b, t, u = sizes["batch"], sizes["length"], sizes["units"]
    cell = sample_weights(rng, kernel=(u, 4 * u), recurrent_kernel=(u, 4 * u), bias=(4 * u,))
    attention = sample_weights(rng, query_kernel=(u, u), key_kernel=(u, u), scale=(u,))
    inputs = [sample_normal(rng, b, t, u), sample_normal(rng, b, t, u)]
    return Data(inputs, {**cell, "bias": cell["bias"] / 4, **attention})


def count_work(sizes, step):
    """Count the work of the LSTM and of the additive scores."""
    b, t, u = sizes["batch"], sizes["length"], sizes["units"]
    scores, passes = additive.count_work(sizes, step), 1 if step == "forward" else 3
    cell = passes * 2 * b * t * 8 * u * u
    return Work(
        scores.flops + cell, scores.exponentials, scores.reciprocals, 5 * b * t * u, scores.bytes
    )


def make_ours(task):
    import keras_attention

    layer = keras_attention.PointerDecoder(
        task.sizes["units"], begin_initializer=None, dtype=task.policy
    )
    return task.make_layer_program(layer, task.data.weights.values())


def make_plain(task):
    from benchmarks.plain.pointer import PlainPointer

    layer = PlainPointer(task.sizes["units"], dtype=task.policy)
    initial_weights = [*task.data.weights.values()]
    return task.make_layer_program(layer, [*initial_weights[3:], *initial_weights[:3]])


FAMILY = Family(
    name="pointer",
    title="PointerDecoder, T steps over T elements",
    sizes={"batch": 16, "units": 128},
    lengths=(16, 64),
    half_lengths=(64,),
    quick_sizes={"batch": 2, "units": 8},
    quick_lengths=(4,),
    make_data=make_data,
    count_work=count_work,
    contestants=(
        Contestant("ours", make_ours),
        Contestant(
            "Keras's LSTM, plain scores",
            make_plain,
            intermediate_bytes=additive.count_intermediate_bytes,
        ),
    ),
)
