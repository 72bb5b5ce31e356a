"""Additive attention: score = scale . tanh(query Wq + key Wk), for every pair."""

from benchmarks.families.random_data import sample_normal, sample_weights
from benchmarks.family import Contestant, Data, Family, Work


def make_data(sizes, rng):
    b, t, u = sizes["batch"], sizes["length"], sizes["units"]
    inputs = [sample_normal(rng, b, t, u), sample_normal(rng, b, t, u)]
    kernels = sample_weights(rng, query_kernel=(u, u), key_kernel=(u, u))
    return Data(inputs, {**kernels, "scale": sample_normal(rng, u) / 4})


def count_work(sizes, step):
    """Count the work of the cheapest known formula (see `keras_attention.AdditiveAttention`).

    Per pair and unit, 1 / (1 + AB) and its sum take 4 flops and a reciprocal, less than a tanh. The
    derivative takes 8 flops. Training computes each reciprocal twice, because they are too many to
    be stored.
    """
    b, t, u = sizes["batch"], sizes["length"], sizes["units"]
    pairs, projections, context = b * t * t * u, 4 * b * t * u * u, 2 * b * t * t * u
    moved_bytes, exponentials = 4 * 3 * b * t * u, 2 * b * t * u + b * t * t
    if step == "forward":
        return Work(4 * pairs + projections + context, exponentials, pairs, bytes=moved_bytes)
    flops = 16 * pairs + 3 * (projections + context)
    return Work(flops, exponentials, 2 * pairs, bytes=2 * moved_bytes)


def count_intermediate_bytes(sizes, step, mode):
    """Count the bytes of the sum and the tanh of every pair and unit; XLA keeps one of the two.

    The counts agree with measurements.
    """
    copies = {"forward": 1, "training": 2}[step] * (1 if mode == "xla" else 2)
    return copies * 4 * sizes["batch"] * sizes["length"] ** 2 * sizes["units"]


def make_ours(task):
    import keras_attention

    layer = keras_attention.AdditiveAttention(task.sizes["units"], dtype=task.policy)
    return make_query_value_program(task, layer, task.data.weights.values())


def make_keras(task):
    import keras

    layer = keras.layers.AdditiveAttention(dtype=task.policy)
    return make_query_value_program(task, layer, [task.data.weights["scale"]])


def make_luong(task):
    import keras_attention

    layer = keras_attention.LuongAttention("general", dtype=task.policy)
    return make_query_value_program(task, layer, [task.data.weights["query_kernel"]])


def make_query_value_program(task, layer, weights):
    """Return the program of a layer that is called with [query, value]."""
    return task.make_layer_program(layer, weights, lambda query, value: layer([query, value]))


def make_torch(task):
    import torch

    def bahdanau(weights, query, value):
        projected, keys = query @ weights["query_kernel"], value @ weights["key_kernel"]
        hidden = torch.tanh(projected[:, :, None] + keys[:, None])
        return torch.softmax(hidden @ weights["scale"], dim=-1) @ value

    return task.make_function_program(bahdanau)


def make_jax(task):
    import jax
    import jax.numpy as jnp

    def bahdanau(weights, query, value):
        projected, keys = query @ weights["query_kernel"], value @ weights["key_kernel"]
        hidden = jnp.tanh(projected[:, :, None] + keys[:, None])
        return jax.nn.softmax(jnp.sum(hidden * weights["scale"], axis=-1)) @ value

    return task.make_function_program(bahdanau)


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
    make_data=make_data,
    count_work=count_work,
    contestants=(
        Contestant("ours", make_ours),
        Contestant(
            "keras AdditiveAttention",
            make_keras,
            intermediate_bytes=count_intermediate_bytes,
            matches_ours=False,
        ),
        Contestant("plain torch", make_torch, ("torch",), count_intermediate_bytes),
        Contestant("plain jax.numpy", make_jax, ("jax",), count_intermediate_bytes),
        Contestant("our LuongAttention", make_luong, matches_ours=False),
    ),
)
