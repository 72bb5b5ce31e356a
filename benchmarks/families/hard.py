"""Hard attention in inference, where it reads the likeliest key: nothing is drawn."""

from benchmarks.families import additive
from benchmarks.families.additive import in_pairs
from benchmarks.family import Contestant, Family


def ours(task):
    import keras_attention

    layer = keras_attention.HardAttention(dtype=task.policy)
    return in_pairs(task, layer, task.data.weights.values())


def plain(task):
    from benchmarks.plain.hard import likeliest

    return task.function(lambda weights, query, value: likeliest(query, value, **weights))


FAMILY = Family(
    name="hard",
    title="HardAttention, additive score",
    sizes={"batch": 8, "units": 64},
    lengths=(64, 256),
    quick_sizes={"batch": 2, "units": 8},
    quick_lengths=(16,),
    data=additive.data,
    work=additive.work,
    contestants=(
        Contestant("ours", ours),
        Contestant("argmax and gather", plain, held=additive.held),
    ),
    steps=("forward",),
)
