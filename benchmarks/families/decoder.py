"""A decoder that attends at every step, against one that projects the keys at every step."""

from benchmarks.families.drawn import normal, weights
from benchmarks.family import Contestant, Data, Family, Work


def data(sizes, rng):
    b, t, u = sizes["batch"], sizes["length"], sizes["units"]
    return Data([normal(rng, b, t, u), normal(rng, b, t, u)], cell_and_attention(rng, u))


def cell_and_attention(rng, u):
    """Weights of a GRU that takes [input; context], and of an additive attention."""
    cell = weights(rng, kernel=(2 * u, 3 * u), recurrent_kernel=(u, 3 * u), bias=(2, 3 * u))
    attention = weights(rng, query_kernel=(u, u), key_kernel=(u, u), scale=(u,))
    return {**cell, "bias": cell["bias"] / 4, **attention}


def work(sizes, step):
    """Keys once, then for every step the cell, a query, its pairs (see `additive`) and reading."""
    b, t, u = sizes["batch"], sizes["length"], sizes["units"]
    pairs = b * t * t * u
    products = 2 * b * t * u * (9 * u + 2 * u) + 2 * pairs
    exponentials, tanhs = 2 * b * t * u + b * t * t, 3 * b * t * u
    moved = 4 * 3 * b * t * u
    if step == "forward":
        return Work(4 * pairs + products, exponentials, pairs, tanhs, moved)
    return Work(16 * pairs + 3 * products, exponentials, 2 * pairs, tanhs, 2 * moved)


def ours(task):
    import keras

    import keras_attention

    units, policy = task.sizes["units"], task.policy
    layer = keras_attention.AttentionDecoder(
        keras.layers.GRUCell(units, dtype=policy),
        keras_attention.AdditiveAttention(units, dtype=policy),
        dtype=policy,
    )
    return task.layer(layer, task.data.weights.values())


def naive(task):
    from benchmarks.plain.decoder import NaiveDecoder

    layer = NaiveDecoder(task.sizes["units"], dtype=task.policy)
    cell, attention = ([*task.data.weights.values()][part] for part in (slice(3), slice(3, None)))
    return task.layer(layer, [*attention, *cell])


FAMILY = Family(
    name="decoder",
    title="AttentionDecoder, GRU and additive attention, T steps over T keys",
    sizes={"batch": 16, "units": 128},
    lengths=(32, 128),
    half_lengths=(128,),
    quick_sizes={"batch": 2, "units": 8},
    quick_lengths=(4,),
    data=data,
    work=work,
    contestants=(
        Contestant("ours", ours),
        Contestant("keys projected at every step", naive),
    ),
)
