"""Self-attention over the T positions of square images."""

import math

import numpy as np

from benchmarks.families.drawn import normal, weights
from benchmarks.family import Contestant, Data, Family, Work


def data(sizes, rng):
    side, c = math.isqrt(sizes["length"]), sizes["channels"]
    shapes = {"query": (c, c // 8), "key": (c, c // 8), "value": (c, c // 2), "output": (c // 2, c)}
    kernels = {"gamma": np.float32(0.7), **weights(rng, **shapes)}
    return Data([normal(rng, sizes["batch"], side, side, c)], kernels)


def work(sizes, step):
    """Projections to C/8, C/8, C/2 and back to C; scores of C/8, reading of C/2."""
    b, t, c = sizes["batch"], sizes["length"], sizes["channels"]
    times = 1 if step == "forward" else 3
    flops = 2 * b * t * c * (5 * c // 4) + 2 * b * t * t * (5 * c // 8)
    return Work(times * flops, b * t * t, bytes=times * 4 * 2 * b * t * c)


def held(sizes, step, mode):
    """Scores and weights; in training their gradients too."""
    copies = {"forward": 2, "training": 4}[step]
    return copies * 4 * sizes["batch"] * sizes["length"] ** 2


def ours(task):
    import keras_attention

    layer = keras_attention.SelfAttention2D(dtype=task.policy)
    return task.layer(layer, task.data.weights.values())


def plain(task):
    from benchmarks.plain.image import self_attention

    return task.function(lambda weights, image: self_attention(image, **weights))


FAMILY = Family(
    name="image",
    title="SelfAttention2D over T positions",
    sizes={"batch": 4, "channels": 64},
    lengths=(256, 1024, 4096),
    quick_sizes={"batch": 2, "channels": 16},
    quick_lengths=(16,),
    data=data,
    work=work,
    contestants=(
        Contestant("ours", ours),
        Contestant("plain", plain, held=held),
    ),
)
