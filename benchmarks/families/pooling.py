"""A sequence pooled to one vector by attention with a learned query."""

from benchmarks.families.drawn import normal, weights
from benchmarks.family import Contestant, Data, Family, Work


def data(sizes, rng):
    b, t, d = sizes["batch"], sizes["length"], sizes["width"]
    bias, query = normal(rng, d) / 4, normal(rng, d) / 4
    return Data(
        [normal(rng, b, t, d)], {**weights(rng, kernel=(d, d)), "bias": bias, "query": query}
    )


def work(sizes, step):
    """The hidden layer, its product with the query, and reading."""
    b, t, d = sizes["batch"], sizes["length"], sizes["width"]
    times = 1 if step == "forward" else 3
    return Work(
        times * b * t * d * (2 * d + 4), b * t, tanhs=b * t * d, bytes=times * 4 * b * t * d
    )


def ours(task):
    import keras_attention

    layer = keras_attention.AttentionPooling(dtype=task.policy)
    return task.layer(layer, task.data.weights.values())


def plain(task):
    from benchmarks.plain.pooling import pooled

    return task.function(lambda weights, x: pooled(x, **weights))


FAMILY = Family(
    name="pooling",
    title="AttentionPooling",
    sizes={"batch": 16, "width": 128},
    lengths=(128, 1024),
    quick_sizes={"batch": 2, "width": 8},
    quick_lengths=(16,),
    data=data,
    work=work,
    contestants=(
        Contestant("ours", ours),
        Contestant("plain", plain),
    ),
)
