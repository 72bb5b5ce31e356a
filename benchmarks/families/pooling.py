"""Family: attention pooling, which reduces a sequence to one vector by a learned query."""

from benchmarks.families.random_data import sample_normal, sample_weights
from benchmarks.family import Contestant, Data, Family, Work


def make_data(sizes, rng):
    b, t, d = sizes["batch"], sizes["length"], sizes["width"]
    bias, query = sample_normal(rng, d) / 4, sample_normal(rng, d) / 4
    return Data(
        [sample_normal(rng, b, t, d)],
        {**sample_weights(rng, kernel=(d, d)), "bias": bias, "query": query},
    )


def count_work(sizes, step):
    """Count the work of the hidden layer, its product with the query, and the weighted sum."""
    b, t, d = sizes["batch"], sizes["length"], sizes["width"]
    passes = 1 if step == "forward" else 3
    return Work(
        passes * b * t * d * (2 * d + 4), b * t, tanhs=b * t * d, bytes=passes * 4 * b * t * d
    )


def make_ours(task):
    import keras_attention

    layer = keras_attention.AttentionPooling(dtype=task.policy)
    return task.make_layer_program(layer, task.data.weights.values())


def make_plain(task):
    from benchmarks.plain.pooling import pool

    return task.make_function_program(lambda weights, x: pool(x, **weights))


FAMILY = Family(
    name="pooling",
    title="AttentionPooling",
    sizes={"batch": 16, "width": 128},
    lengths=(128, 1024),
    half_lengths=(1024,),
    quick_sizes={"batch": 2, "width": 8},
    quick_lengths=(16,),
    make_data=make_data,
    count_work=count_work,
    contestants=(
        Contestant("ours", make_ours),
        Contestant("plain", make_plain),
    ),
)
