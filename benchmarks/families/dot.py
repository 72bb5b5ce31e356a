"""Dot-product attention without projections or heads."""

from benchmarks.families.additive import in_pairs
from benchmarks.families.drawn import normal
from benchmarks.family import Contestant, Data, Family, Work


def data(sizes, rng):
    shape = sizes["batch"], sizes["length"], sizes["width"]
    return Data([normal(rng, *shape) / 4, normal(rng, *shape)], {})


def work(sizes, step):
    b, t, d = sizes["batch"], sizes["length"], sizes["width"]
    times = 1 if step == "forward" else 3
    return Work(times * 4 * b * t * t * d, b * t * t, bytes=times * 4 * 3 * b * t * d)


def held(sizes, step, mode):
    """Scores and weights; in training their gradients too."""
    copies = {"forward": 2, "training": 4}[step]
    return copies * 4 * sizes["batch"] * sizes["length"] ** 2


def ours(task):
    import keras_attention

    return in_pairs(task, keras_attention.Attention(dtype=task.policy), [])


def of_keras(task):
    import keras

    return in_pairs(task, keras.layers.Attention(dtype=task.policy), [])


FAMILY = Family(
    name="dot",
    title="Attention",
    sizes={"batch": 8, "width": 64},
    lengths=(128, 512, 2048),
    quick_sizes={"batch": 2, "width": 8},
    quick_lengths=(32,),
    data=data,
    work=work,
    contestants=(
        Contestant("ours", ours),
        Contestant("keras Attention", of_keras, held=held),
    ),
)
