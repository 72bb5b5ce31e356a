"""Multi-head self-attention, projections included, whoever computes it."""

from benchmarks.families.drawn import normal, weights
from benchmarks.family import Contestant, Data, Family, Work

NAMES = "query", "key", "value", "output"


def data(sizes, rng):
    heads, width = sizes["heads"], sizes["key_dim"]
    groups = sizes.get("groups", heads)
    outer, inner = heads * width, groups * width
    units = {"query": outer, "key": inner, "value": inner, "output": outer}
    kernels = weights(rng, **{name: (outer, units[name]) for name in NAMES})
    found = {}
    for name in NAMES:
        found[f"{name}_kernel"] = kernels[name]
        found[f"{name}_bias"] = normal(rng, units[name]) / 4
    return Data([normal(rng, sizes["batch"], sizes["length"], outer)], found)


def work(sizes, step):
    """Products: of projections, of scores and of reading; twice as many in the backward pass."""
    b, t, h, d = (sizes[name] for name in ("batch", "length", "heads", "key_dim"))
    groups = sizes.get("groups", h)
    width = h * d
    projections = 2 * b * t * width * (2 * width + 2 * groups * d)
    moved = 4 * (2 * b * t * width + 4 * width * width)
    times = 1 if step == "forward" else 3
    flops = times * (projections + 4 * b * h * t * t * d)
    return Work(flops, b * h * t * t, bytes=times * moved)


def held(sizes, step, mode):
    """Scores and weights of every head; in training their gradients too."""
    copies = {"forward": 2, "training": 4}[step]
    return copies * 4 * sizes["batch"] * sizes["heads"] * sizes["length"] ** 2


def ours(task):
    import keras_attention

    layer = keras_attention.MultiHeadSelfAttention(
        task.sizes["heads"],
        task.sizes["key_dim"],
        num_key_value_heads=task.sizes.get("groups"),
        dtype=task.policy,
    )
    return task.layer(layer, task.data.weights.values())


def of_keras(task):
    import keras

    heads, width = task.sizes["heads"], task.sizes["key_dim"]
    layer = keras.layers.MultiHeadAttention(heads, width, dtype=task.policy)
    return task.layer(layer, by_head(task.data.weights, width), lambda x: layer(x, x))


def by_head(weights, width):
    """The weights in Keras's shapes, which have an axis for the heads."""
    for name, weight in weights.items():
        if name == "output_kernel":
            yield weight.reshape(-1, width, weight.shape[-1])
        else:
            yield weight if name == "output_bias" else weight.reshape(*weight.shape[:-1], -1, width)


def in_torch(task):
    from torch.nn.functional import scaled_dot_product_attention

    width, is_grouped = task.sizes["key_dim"], "groups" in task.sizes

    def attention(weights, x):
        asked, keys, values = (
            (x @ weights[f"{n}_kernel"] + weights[f"{n}_bias"]).unflatten(-1, (-1, width))
            for n in NAMES[:3]
        )
        asked, keys, values = (each.transpose(1, 2) for each in (asked, keys, values))
        context = scaled_dot_product_attention(asked, keys, values, enable_gqa=is_grouped)
        merged = context.transpose(1, 2).flatten(-2)
        return merged @ weights["output_kernel"] + weights["output_bias"]

    return task.function(attention)


def in_jax(task):
    import jax

    width = task.sizes["key_dim"]
    # Left to choose, JAX takes the plain form on a GPU too; cuDNN has half precision only.
    fused = task.engine.device() is not None and task.dtype == "bfloat16"

    def attention(weights, x):
        asked, keys, values = (
            (x @ weights[f"{n}_kernel"] + weights[f"{n}_bias"]).reshape(*x.shape[:2], -1, width)
            for n in NAMES[:3]
        )
        context = jax.nn.dot_product_attention(
            asked, keys, values, implementation="cudnn" if fused else None
        )
        merged = context.reshape(*x.shape[:2], -1)
        return merged @ weights["output_kernel"] + weights["output_bias"]

    return task.function(attention)


FUNCTIONS = (
    Contestant("torch scaled_dot_product_attention", in_torch, ("torch",)),
    Contestant("jax.nn.dot_product_attention", in_jax, ("jax",), held),
)
FAMILY = Family(
    name="multi_head",
    title="MultiHeadSelfAttention",
    sizes={"batch": 1, "heads": 8, "key_dim": 64},
    lengths=(128, 256, 512, 2048, 8192),
    half_lengths=(2048,),
    memory_lengths=(512, 2048, 8192),
    served_lengths=(256, 2048),
    goal_lengths=(128, 256, 2048, 8192),
    quick_sizes={"batch": 1, "heads": 2, "key_dim": 8},
    quick_lengths=(32,),
    data=data,
    work=work,
    contestants=(
        Contestant("ours", ours),
        Contestant("keras MultiHeadAttention", of_keras, held=held),
        *FUNCTIONS,
    ),
)
