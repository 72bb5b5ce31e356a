"""Contract cases of PatchEmbedding, SelfAttention2D and RecurrentGlimpses."""

from keras import ops

import keras_attention
from keras_attention.testing import request_scores
from tests.layers.contract.common import INITIALIZERS, Case, create_gru_cell


@request_scores
def call_on_image(layer, query, value, query_mask, value_mask, **options):
    """Call an image layer without a query: the values are the pixels of a one-pixel-wide image."""
    axis = 2 if layer.data_format == "channels_last" else 3
    image = value if axis == 2 else ops.swapaxes(value, 1, 2)
    result = layer(ops.expand_dims(image, axis), **options)
    output, *weights = result if isinstance(result, tuple) else (result,)
    output = ops.squeeze(output, axis)
    output = output if axis == 2 else ops.swapaxes(output, 1, 2)
    return (output, *weights) if weights else output


@request_scores
def call_patch_embedding(layer, query, value, query_mask, value_mask, **options):
    """Call the layer on images of 2 x 4 pixels, whose channels are means of the values, permuted.

    The weights are zeros: the layer computes no attention.
    """
    mean = ops.mean(value, axis=1)
    pixels = [ops.roll(mean, number, axis=-1) for number in range(8)]
    image = ops.reshape(ops.concatenate(pixels, axis=-1), (-1, 2, 4, value.shape[-1]))
    image = image if layer.data_format == "channels_last" else ops.transpose(image, (0, 3, 1, 2))
    output = layer(image)
    output = ops.reshape(output, (-1, output.shape[1] * output.shape[2]))
    weights = ops.cast(ops.zeros_like(value[..., 0]), output.dtype)
    return (output, weights) if options["return_attention_scores"] else output


IMAGE = {
    "call": call_on_image,
    "takes_masks": False,
    "takes_attention_mask": False,
    "takes_query": False,
    "treats_keys_alike": False,  # keys are also queries; pooling combines neighboring keys
}

PATCHES = {**IMAGE, "call": call_patch_embedding, "fully_masked_output_is_zero": False}


@request_scores
def call_glimpses(layer, query, value, query_mask, value_mask, **options):
    """Look at an image of a fixed size, whose columns are the first value; weights are zeros."""
    returns_weights = options.pop("return_attention_scores")
    columns = ops.repeat(ops.cast(value, layer.compute_dtype)[:, 0, :, None], layer.size, axis=2)
    state = layer(columns[..., None], **options)
    weights = ops.cast(ops.zeros_like(value[..., 0]), state.dtype)
    return (state, weights) if returns_weights else state


ROWS = {
    "patch_embedding": Case(
        keras_attention.PatchEmbedding,
        {"patch": 2, "width": 3},
        all_arguments={
            **INITIALIZERS,
            "patch": 1,
            "width": 4,
            "class_token": False,
            "positions": "sinusoidal",
            "data_format": "channels_first",
            "bias_initializer": "ones",
            "class_token_initializer": "ones",
            "positions_initializer": "zeros",
        },
        wrong_arguments=[
            ({"patch": 0}, "patch=0"),
            ({"width": 2.5}, "width=2.5"),
            ({"class_token": 1}, "class_token=1"),
            ({"positions": "rotary"}, "positions='rotary'"),
            ({"data_format": "NHWC"}, "data_format='NHWC'"),
        ],
        **PATCHES,
    ),
    "self_attention_2d": Case(
        keras_attention.SelfAttention2D,
        all_arguments={
            **INITIALIZERS,
            "key_reduction": 2,
            "value_reduction": None,
            "pool_keys": True,
            "spectral_normalization": True,
            "data_format": "channels_first",
            "implementation": "plain",
        },
        wrong_arguments=[
            ({"implementation": True}, "implementation=True"),
            ({"key_reduction": 0}, "key_reduction=0"),
            ({"value_reduction": 2.5}, "value_reduction=2.5"),
            ({"pool_keys": "max"}, "pool_keys='max'"),
            ({"spectral_normalization": 1}, "spectral_normalization=1"),
            ({"data_format": "NHWC"}, "data_format='NHWC'"),
        ],
        **IMAGE,
    ),
    "self_attention_2d_released": Case(
        keras_attention.SelfAttention2D,
        {"pool_keys": True, "spectral_normalization": True},
        **IMAGE,
    ),
    "self_attention_2d_channels_first": Case(
        keras_attention.SelfAttention2D,
        {"value_reduction": None, "data_format": "channels_first", "implementation": "blockwise"},
        **IMAGE,
    ),
    "glimpses": Case(
        keras_attention.RecurrentGlimpses,
        # One glimpse: the place of a second one would have no gradient, but change the outputs.
        {"glimpses": 1, "size": 3, "units": 4, "glimpse_units": 3, "start": "center"},
        call=call_glimpses,
        takes_masks=False,
        takes_attention_mask=False,
        takes_query=False,
        treats_keys_alike=False,
        fully_masked_output_is_zero=False,
        all_arguments={
            "glimpses": 3,
            "size": 2,
            "scales": 2,
            "units": 5,
            "glimpse_units": 6,
            "locator_units": None,
            "deviation": 0.3,
            "cell": lambda: create_gru_cell(5),
            "reward_weight": 0.5,
            "start": "center",  # a random start has other values on each backend
            "seed": 3,
            "kernel_initializer": "he_normal",
        },
        exclusive_arguments=("start",),  # the center in the case itself, too
        wrong_arguments=[
            ({"glimpses": 0}, "glimpses=0"),
            ({"size": 1.5}, "size=1.5"),
            ({"scales": 0}, "scales=0"),
            ({"units": 0}, "units=0"),
            ({"deviation": 0}, "deviation=0"),
            ({"cell": 3}, "cell=3"),
            ({"start": "left"}, "start='left'"),
        ],
    ),
}
