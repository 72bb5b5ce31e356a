"""Family: dot-product attention without projections or heads."""

from benchmarks.families.additive import make_query_value_program
from benchmarks.families.random_data import sample_normal
from benchmarks.family import Contestant, Data, Family, Work


def make_data(sizes, rng):
    shape = sizes["batch"], sizes["length"], sizes["width"]
    return Data([sample_normal(rng, *shape) / 4, sample_normal(rng, *shape)], {})


def count_work(sizes, step):
    b, t, d = sizes["batch"], sizes["length"], sizes["width"]
    passes = 1 if step == "forward" else 3
    return Work(passes * 4 * b * t * t * d, b * t * t, bytes=passes * 4 * 3 * b * t * d)


def count_intermediate_bytes(sizes, step, mode):
    """Count the bytes of scores and weights; in training also of their gradients."""
    copies = {"forward": 2, "training": 4}[step]
    return copies * 4 * sizes["batch"] * sizes["length"] ** 2


def make_ours(task):
    import keras_attention

    return make_query_value_program(task, keras_attention.Attention(dtype=task.policy), [])


def make_keras(task):
    import keras

    return make_query_value_program(task, keras.layers.Attention(dtype=task.policy), [])


FAMILY = Family(
    name="dot",
    title="Attention",
    sizes={"batch": 8, "width": 64},
    lengths=(128, 512, 2048),
    half_lengths=(512, 2048),
    quick_sizes={"batch": 2, "width": 8},
    quick_lengths=(32,),
    make_data=make_data,
    count_work=count_work,
    contestants=(
        Contestant("ours", make_ours),
        Contestant("keras Attention", make_keras, intermediate_bytes=count_intermediate_bytes),
    ),
)
