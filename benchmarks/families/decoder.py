"""Family: a recurrent decoder with attention, and one that projects the keys at every step."""

from benchmarks.families.random_data import sample_normal, sample_weights
from benchmarks.family import Contestant, Data, Family, Work


def make_data(sizes, rng):
    b, t, u = sizes["batch"], sizes["length"], sizes["units"]
    return Data(
        [sample_normal(rng, b, t, u), sample_normal(rng, b, t, u)], make_decoder_weights(rng, u)
    )


def make_decoder_weights(rng, u):
    """Return the weights of a GRU with inputs [input; context] and of an additive attention."""
    cell = sample_weights(rng, kernel=(2 * u, 3 * u), recurrent_kernel=(u, 3 * u), bias=(2, 3 * u))
    attention = sample_weights(rng, query_kernel=(u, u), key_kernel=(u, u), scale=(u,))
    return {**cell, "bias": cell["bias"] / 4, **attention}


def count_work(sizes, step):
    """Count the projection of the keys, and at each step the cell, query, scores and context."""
    b, t, u = sizes["batch"], sizes["length"], sizes["units"]
    pairs = b * t * t * u
    products = 2 * b * t * u * (9 * u + 2 * u) + 2 * pairs
    exponentials, tanhs = 2 * b * t * u + b * t * t, 3 * b * t * u
    moved_bytes = 4 * 3 * b * t * u
    if step == "forward":
        return Work(4 * pairs + products, exponentials, pairs, tanhs, moved_bytes)
    return Work(16 * pairs + 3 * products, exponentials, 2 * pairs, tanhs, 2 * moved_bytes)


def make_ours(task):
    import keras

    import keras_attention

    units, policy = task.sizes["units"], task.policy
    layer = keras_attention.AttentionDecoder(
        keras.layers.GRUCell(units, dtype=policy),
        keras_attention.AdditiveAttention(units, dtype=policy),
        dtype=policy,
    )
    return task.make_layer_program(layer, task.data.weights.values())


def make_naive(task):
    from benchmarks.plain.decoder import NaiveDecoder

    layer = NaiveDecoder(task.sizes["units"], dtype=task.policy)
    cell, attention = ([*task.data.weights.values()][part] for part in (slice(3), slice(3, None)))
    return task.make_layer_program(layer, [*attention, *cell])


FAMILY = Family(
    name="decoder",
    title="AttentionDecoder, GRU and additive attention, T steps over T keys",
    sizes={"batch": 16, "units": 128},
    lengths=(32, 128),
    half_lengths=(128,),
    quick_sizes={"batch": 2, "units": 8},
    quick_lengths=(4,),
    make_data=make_data,
    count_work=count_work,
    contestants=(
        Contestant("ours", make_ours),
        Contestant("keys projected at every step", make_naive),
    ),
)
