"""Additive attention: score = scale . tanh(query Wq + key Wk), for every pair."""

from benchmarks.families.drawn import normal, weights
from benchmarks.family import Contestant, Data, Family, Work


def data(sizes, rng):
    b, t, u = sizes["batch"], sizes["length"], sizes["units"]
    inputs = [normal(rng, b, t, u), normal(rng, b, t, u)]
    kernels = weights(rng, query_kernel=(u, u), key_kernel=(u, u))
    return Data(inputs, {**kernels, "scale": normal(rng, u) / 4})


def work(sizes, step):
    """A pair and unit: in 1 / (1 + AB) and its sum 4 flops and a reciprocal; 8 for the derivative.

    That is the cheapest way known (see `keras_attention.AdditiveAttention`); a tanh is dearer.
    Nobody can keep all reciprocals, so that training takes each twice.
    """
    b, t, u = sizes["batch"], sizes["length"], sizes["units"]
    pairs, projections, read = b * t * t * u, 4 * b * t * u * u, 2 * b * t * t * u
    moved, exponentials = 4 * 3 * b * t * u, 2 * b * t * u + b * t * t
    if step == "forward":
        return Work(4 * pairs + projections + read, exponentials, pairs, bytes=moved)
    flops = 16 * pairs + 3 * (projections + read)
    return Work(flops, exponentials, 2 * pairs, bytes=2 * moved)


def held(sizes, step, mode):
    """What was measured: sums and tanh of every pair and unit; XLA keeps one, and its gradient."""
    copies = {"forward": 1, "training": 2}[step] * (1 if mode == "xla" else 2)
    return copies * 4 * sizes["batch"] * sizes["length"] ** 2 * sizes["units"]


def ours(task):
    import keras_attention

    layer = keras_attention.AdditiveAttention(task.sizes["units"], dtype=task.policy)
    return in_pairs(task, layer, task.data.weights.values())


def of_keras(task):
    import keras

    layer = keras.layers.AdditiveAttention(dtype=task.policy)
    return in_pairs(task, layer, [task.data.weights["scale"]])


def luong(task):
    import keras_attention

    layer = keras_attention.LuongAttention("general", dtype=task.policy)
    return in_pairs(task, layer, [task.data.weights["query_kernel"]])


def in_pairs(task, layer, weights):
    """The program of a layer that is called with [query, value]."""
    return task.layer(layer, weights, lambda query, value: layer([query, value]))


def in_torch(task):
    import torch

    def bahdanau(weights, query, value):
        asked, keys = query @ weights["query_kernel"], value @ weights["key_kernel"]
        hidden = torch.tanh(asked[:, :, None] + keys[:, None])
        return torch.softmax(hidden @ weights["scale"], dim=-1) @ value

    return task.function(bahdanau)


def in_jax(task):
    import jax
    import jax.numpy as jnp

    def bahdanau(weights, query, value):
        asked, keys = query @ weights["query_kernel"], value @ weights["key_kernel"]
        hidden = jnp.tanh(asked[:, :, None] + keys[:, None])
        return jax.nn.softmax(jnp.sum(hidden * weights["scale"], axis=-1)) @ value

    return task.function(bahdanau)


FAMILY = Family(
    name="additive",
    title="AdditiveAttention",
    sizes={"batch": 8, "units": 256},
    lengths=(128, 256, 512, 1024, 2048),
    half_lengths=(256,),
    memory_lengths=(256, 512, 2048),
    served_lengths=(256,),
    goal_lengths=(256, 2048),
    quick_sizes={"batch": 2, "units": 16},
    quick_lengths=(16, 32),
    data=data,
    work=work,
    contestants=(
        Contestant("ours", ours),
        Contestant("keras AdditiveAttention", of_keras, held=held, same=False),
        Contestant("plain torch", in_torch, ("torch",), held),
        Contestant("plain jax.numpy", in_jax, ("jax",), held),
        Contestant("our LuongAttention", luong, same=False),
    ),
)
