"""Family: multi-head self-attention with its projections."""

from benchmarks.families.random_data import sample_normal, sample_weights
from benchmarks.family import Contestant, Data, Family, Work

PROJECTIONS = "query", "key", "value", "output"


def make_data(sizes, rng):
    heads, width = sizes["heads"], sizes["key_dim"]
    groups = sizes.get("groups", heads)
    outer, inner = heads * width, groups * width
    units = {"query": outer, "key": inner, "value": inner, "output": outer}
    kernels = sample_weights(rng, **{name: (outer, units[name]) for name in PROJECTIONS})
    weights = {}
    for name in PROJECTIONS:
        weights[f"{name}_kernel"] = kernels[name]
        weights[f"{name}_bias"] = sample_normal(rng, units[name]) / 4
    return Data([sample_normal(rng, sizes["batch"], sizes["length"], outer)], weights)


def count_work(sizes, step):
    """Count the products of projections, scores and contexts; a backward pass has twice as many."""
    b, t, h, d = (sizes[name] for name in ("batch", "length", "heads", "key_dim"))
    groups = sizes.get("groups", h)
    width = h * d
    projections = 2 * b * t * width * (2 * width + 2 * groups * d)
    moved_bytes = 4 * (2 * b * t * width + 4 * width * width)
    passes = 1 if step == "forward" else 3
    flops = passes * (projections + 4 * b * h * t * t * d)
    return Work(flops, b * h * t * t, bytes=passes * moved_bytes)


def count_intermediate_bytes(sizes, step, mode):
    """Count the bytes of scores and weights of all heads; in training also of their gradients."""
    copies = {"forward": 2, "training": 4}[step]
    return copies * 4 * sizes["batch"] * sizes["heads"] * sizes["length"] ** 2


def make_ours(task):
    import keras_attention

    layer = keras_attention.MultiHeadSelfAttention(
        task.sizes["heads"],
        task.sizes["key_dim"],
        num_key_value_heads=task.sizes.get("groups"),
        dtype=task.policy,
    )
    return task.make_layer_program(layer, task.data.weights.values())


def make_keras(task):
    import keras

    heads, width = task.sizes["heads"], task.sizes["key_dim"]
    layer = keras.layers.MultiHeadAttention(heads, width, dtype=task.policy)
    return task.make_layer_program(
        layer, split_heads(task.data.weights, width), lambda x: layer(x, x)
    )


def split_heads(weights, width):
    """Yield the weights in Keras's shapes, which have an axis for the heads."""
    for name, weight in weights.items():
        if name == "output_kernel":
            yield weight.reshape(-1, width, weight.shape[-1])
        else:
            yield weight if name == "output_bias" else weight.reshape(*weight.shape[:-1], -1, width)


def make_torch(task):
    from torch.nn.functional import scaled_dot_product_attention

    width, is_grouped = task.sizes["key_dim"], "groups" in task.sizes

    def attention(weights, x):
        query, keys, values = (
            (x @ weights[f"{n}_kernel"] + weights[f"{n}_bias"]).unflatten(-1, (-1, width))
            for n in PROJECTIONS[:3]
        )
        query, keys, values = (tensor.transpose(1, 2) for tensor in (query, keys, values))
        context = scaled_dot_product_attention(query, keys, values, enable_gqa=is_grouped)
        merged = context.transpose(1, 2).flatten(-2)
        return merged @ weights["output_kernel"] + weights["output_bias"]

    return task.make_function_program(attention)


def make_jax(task):
    import jax

    width = task.sizes["key_dim"]
    # By default JAX uses its unfused implementation, on a GPU too. cuDNN's fused implementation
    # supports only half precision.
    is_fused = task.engine.get_device_name() is not None and task.dtype == "bfloat16"

    def attention(weights, x):
        query, keys, values = (
            (x @ weights[f"{n}_kernel"] + weights[f"{n}_bias"]).reshape(*x.shape[:2], -1, width)
            for n in PROJECTIONS[:3]
        )
        context = jax.nn.dot_product_attention(
            query, keys, values, implementation="cudnn" if is_fused else None
        )
        merged = context.reshape(*x.shape[:2], -1)
        return merged @ weights["output_kernel"] + weights["output_bias"]

    return task.make_function_program(attention)


FUNCTIONS = (
    Contestant("torch scaled_dot_product_attention", make_torch, ("torch",)),
    Contestant("jax.nn.dot_product_attention", make_jax, ("jax",), count_intermediate_bytes),
)
FAMILY = Family(
    name="multi_head",
    title="MultiHeadSelfAttention",
    sizes={"batch": 1, "heads": 8, "key_dim": 64},
    lengths=(128, 256, 512, 2048, 8192),
    half_lengths=(512, 2048),
    memory_lengths=(512, 2048, 8192),
    served_lengths=(256, 2048),
    goal_lengths=(128, 256, 2048, 8192),
    quick_sizes={"batch": 1, "heads": 2, "key_dim": 8},
    quick_lengths=(32,),
    make_data=make_data,
    count_work=count_work,
    contestants=(
        Contestant("ours", make_ours),
        Contestant(
            "keras MultiHeadAttention", make_keras, intermediate_bytes=count_intermediate_bytes
        ),
        *FUNCTIONS,
    ),
)
