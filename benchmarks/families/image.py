"""Family: self-attention over the T positions of square images."""

import math

import numpy as np

from benchmarks.families.random_data import sample_normal, sample_weights
from benchmarks.family import Contestant, Data, Family, Work


def make_data(sizes, rng):
    side, c = math.isqrt(sizes["length"]), sizes["channels"]
    shapes = {"query": (c, c // 8), "key": (c, c // 8), "value": (c, c // 2), "output": (c // 2, c)}
    kernels = {"gamma": np.float32(0.7), **sample_weights(rng, **shapes)}
    return Data([sample_normal(rng, sizes["batch"], side, side, c)], kernels)


def count_work(sizes, step):
    """Count the four projections, the scores and the context.

    Queries and keys have C / 8 channels, values C / 2, outputs C.
    """
    b, t, c = sizes["batch"], sizes["length"], sizes["channels"]
    passes = 1 if step == "forward" else 3
    flops = 2 * b * t * c * (5 * c // 4) + 2 * b * t * t * (5 * c // 8)
    return Work(passes * flops, b * t * t, bytes=passes * 4 * 2 * b * t * c)


def count_intermediate_bytes(sizes, step, mode):
    """Count the bytes of scores and weights; in training also of their gradients."""
    copies = {"forward": 2, "training": 4}[step]
    return copies * 4 * sizes["batch"] * sizes["length"] ** 2


def make_ours(task):
    import keras_attention

    layer = keras_attention.SelfAttention2D(dtype=task.policy)
    return task.make_layer_program(layer, task.data.weights.values())


def make_plain(task):
    from benchmarks.plain.image import attend_to_image

    return task.make_function_program(lambda weights, image: attend_to_image(image, **weights))


FAMILY = Family(
    name="image",
    title="SelfAttention2D over T positions",
    sizes={"batch": 4, "channels": 64},
    lengths=(256, 1024, 4096),
    half_lengths=(1024, 4096),
    quick_sizes={"batch": 2, "channels": 16},
    quick_lengths=(16,),
    make_data=make_data,
    count_work=count_work,
    contestants=(
        Contestant("ours", make_ours),
        Contestant("plain", make_plain, intermediate_bytes=count_intermediate_bytes),
    ),
)
