"""A pointer decoder, teacher forced: T steps that each point to one of T elements."""

from benchmarks.families import additive
from benchmarks.families.drawn import normal, weights
from benchmarks.family import Contestant, Data, Family, Work


def data(sizes, rng):
    b, t, u = sizes["batch"], sizes["length"], sizes["units"]
    cell = weights(rng, kernel=(u, 4 * u), recurrent_kernel=(u, 4 * u), bias=(4 * u,))
    attention = weights(rng, query_kernel=(u, u), key_kernel=(u, u), scale=(u,))
    inputs = [normal(rng, b, t, u), normal(rng, b, t, u)]
    return Data(inputs, {**cell, "bias": cell["bias"] / 4, **attention})


def work(sizes, step):
    """The LSTM's, and that of additive scores."""
    b, t, u = sizes["batch"], sizes["length"], sizes["units"]
    scores, times = additive.work(sizes, step), 1 if step == "forward" else 3
    cell = times * 2 * b * t * 8 * u * u
    return Work(
        scores.flops + cell, scores.exponentials, scores.reciprocals, 5 * b * t * u, scores.bytes
    )


def ours(task):
    import keras_attention

    layer = keras_attention.PointerDecoder(
        task.sizes["units"], begin_initializer=None, dtype=task.policy
    )
    return task.layer(layer, task.data.weights.values())


def plain(task):
    from benchmarks.plain.pointer import PlainPointer

    layer = PlainPointer(task.sizes["units"], dtype=task.policy)
    drawn = [*task.data.weights.values()]
    return task.layer(layer, [*drawn[3:], *drawn[:3]])


FAMILY = Family(
    name="pointer",
    title="PointerDecoder, T steps over T elements",
    sizes={"batch": 16, "units": 128},
    lengths=(16, 64),
    quick_sizes={"batch": 2, "units": 8},
    quick_lengths=(4,),
    data=data,
    work=work,
    contestants=(
        Contestant("ours", ours),
        Contestant("Keras's LSTM, plain scores", plain, held=additive.held),
    ),
)
