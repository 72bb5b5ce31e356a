"""A whole encoder block of the Transformer, against the same block of Keras's own layers."""

from benchmarks.families import multi_head
from benchmarks.families.random_data import sample_normal, sample_weights
from benchmarks.family import Contestant, Data, Family, Work


def make_data(sizes, rng):
    width = sizes["heads"] * sizes["key_dim"]
    hidden_dim = sizes["hidden_dim"]
    attention = multi_head.make_data(sizes, rng)
    kernels = sample_weights(
        rng, hidden_kernel=(width, hidden_dim), outer_kernel=(hidden_dim, width)
    )

    def sample_norm(name):
        # With equal factors the sum of the squares, which is the loss, would be constant.
        gamma, beta = 1 + sample_normal(rng, width) / 4, sample_normal(rng, width) / 4
        return {f"{name}_gamma": gamma, f"{name}_beta": beta}

    weights = {
        **attention.weights,
        **sample_norm("attention"),
        "hidden_kernel": kernels["hidden_kernel"],
        "hidden_bias": sample_normal(rng, hidden_dim) / 4,
        "outer_kernel": kernels["outer_kernel"],
        "outer_bias": sample_normal(rng, width) / 4,
        **sample_norm("outer"),
    }
    return Data(attention.inputs, weights)


def count_work(sizes, step):
    """Count the attention and the products of the network; twice as many in backward."""
    attention = multi_head.count_work(sizes, step)
    width, passes = sizes["heads"] * sizes["key_dim"], 1 if step == "forward" else 3
    products = 4 * sizes["batch"] * sizes["length"] * width * sizes["hidden_dim"]
    moved_bytes = attention.bytes + passes * 4 * 2 * width * sizes["hidden_dim"]
    return Work(attention.flops + passes * products, attention.exponentials, bytes=moved_bytes)


def make_ours(task):
    import keras_attention

    sizes = task.sizes
    block = keras_attention.TransformerEncoderBlock(
        sizes["heads"], sizes["hidden_dim"], sizes["key_dim"], dropout=0.0, dtype=task.policy
    )
    return task.make_layer_program(block, task.data.weights.values())


def make_keras(task):
    from benchmarks.plain.transformer import PlainEncoderBlock

    sizes = task.sizes
    block = PlainEncoderBlock(
        sizes["heads"], sizes["key_dim"], sizes["hidden_dim"], dtype=task.policy
    )
    weights = list(task.data.weights.items())
    attention = multi_head.split_heads(dict(weights[:8]), sizes["key_dim"])
    return task.make_layer_program(block, [*attention, *(x for _, x in weights[8:])])


FAMILY = Family(
    name="transformer",
    title="TransformerEncoderBlock",
    sizes={"batch": 8, "heads": 8, "key_dim": 64, "hidden_dim": 2048},
    lengths=(128, 512),
    half_lengths=(128, 512),
    quick_sizes={"batch": 2, "heads": 2, "key_dim": 8, "hidden_dim": 32},
    quick_lengths=(16,),
    make_data=make_data,
    count_work=count_work,
    contestants=(
        Contestant("ours", make_ours),
        Contestant(
            "keras layers",
            make_keras,
            intermediate_bytes=multi_head.count_intermediate_bytes,
        ),
    ),
)
