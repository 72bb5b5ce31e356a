"""Multi-head self-attention with a bias of the scores, which the caller learns or computes.

A relative-position bias has a number for each head, query and key; ALiBi's, one for each head and
key. The bias is an input, with a gradient in training.
"""

import dataclasses
import functools

import numpy as np

from benchmarks.families import multi_head
from benchmarks.families.multi_head import PROJECTIONS, count_intermediate_bytes
from benchmarks.families.random_data import sample_normal
from benchmarks.family import Contestant, Data, Family


def make_data(sizes, rng, is_alibi):
    data = multi_head.make_data(sizes, rng)
    heads, length = sizes["heads"], sizes["length"]
    if is_alibi:
        slopes = 2.0 ** -np.arange(1, heads + 1)
        bias = slopes[:, None, None] * (np.arange(length) - (length - 1.0))
        return Data([*data.inputs, bias.astype("float32")], data.weights)
    return Data([*data.inputs, sample_normal(rng, heads, length, length)], data.weights)


def count_work(sizes, step, is_alibi):
    """Count multi-head attention; per score an addition; the bias read, its gradient written."""
    work = multi_head.count_work(sizes, step)
    scores = sizes["batch"] * sizes["heads"] * sizes["length"] ** 2
    bias = sizes["heads"] * sizes["length"] ** (1 if is_alibi else 2)
    passes = 1 if step == "forward" else 3
    return dataclasses.replace(
        work, flops=work.flops + passes * scores, bytes=work.bytes + passes * 4 * bias
    )


def make_ours(task):
    import keras_attention

    layer = keras_attention.MultiHeadSelfAttention(
        task.sizes["heads"], task.sizes["key_dim"], dtype=task.policy
    )

    def call(x, bias):
        # The layer is built with a few tokens.
        bias = bias if bias.shape[-1] == x.shape[1] else bias[..., : x.shape[1]]
        return layer(x, attention_bias=bias)

    return task.make_layer_program(layer, task.data.weights.values(), call)


def make_keras(task):
    """Return a program by `keras.ops`: no layer of Keras takes a bias."""
    from keras import ops

    def attend(query, keys, values, bias):
        return ops.dot_product_attention(query, keys, values, bias=bias[None])

    return make_function_program(task, attend, lambda x, shape: ops.reshape(x, shape))


def make_jax(task):
    import jax

    def attend(query, keys, values, bias):
        return jax.nn.dot_product_attention(query, keys, values, bias=bias[None])

    return make_function_program(task, attend, lambda x, shape: x.reshape(shape))


def make_torch(task):
    from torch.nn.functional import scaled_dot_product_attention

    def attend(*tensors):
        *tensors, bias = tensors
        tensors = (x.transpose(1, 2) for x in tensors)
        return scaled_dot_product_attention(*tensors, attn_mask=bias).transpose(1, 2)

    return make_function_program(task, attend, lambda x, shape: x.reshape(shape))


def make_function_program(task, attend, reshape):
    """Return a program of projections around `attend`, a function of `(batch, T, heads, width)`."""
    width = task.sizes["key_dim"]

    def attention(weights, x, bias):
        batch, length, _ = x.shape
        heads = (
            reshape(x @ weights[f"{n}_kernel"] + weights[f"{n}_bias"], (batch, length, -1, width))
            for n in PROJECTIONS[:3]
        )
        merged = reshape(attend(*heads, bias), (batch, length, -1))
        return merged @ weights["output_kernel"] + weights["output_bias"]

    return task.make_function_program(attention)


def make_family(name, title, is_alibi):
    return Family(
        name=name,
        title=title,
        sizes={"batch": 1, "heads": 8, "key_dim": 64},
        lengths=(256, 512, 2048),
        quick_sizes={"batch": 1, "heads": 2, "key_dim": 8},
        quick_lengths=(32,),
        make_data=functools.partial(make_data, is_alibi=is_alibi),
        count_work=functools.partial(count_work, is_alibi=is_alibi),
        contestants=(
            Contestant("ours", make_ours),
            Contestant(
                "keras.ops.dot_product_attention",
                make_keras,
                ("tensorflow", "jax"),
                count_intermediate_bytes,
            ),
            Contestant("torch scaled_dot_product_attention", make_torch, ("torch",)),
            Contestant(
                "jax.nn.dot_product_attention", make_jax, ("jax",), count_intermediate_bytes
            ),
        ),
    )


RELATIVE = make_family(
    "multi_head_bias", "MultiHeadSelfAttention with a relative-position bias", is_alibi=False
)
ALIBI = make_family("multi_head_alibi", "MultiHeadSelfAttention with ALiBi", is_alibi=True)
