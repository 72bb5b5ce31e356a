"""Contract cases of LuongAttention and LocalAttention."""

import keras_attention
from tests.layers.contract.common import DROPOUT, INITIALIZERS, Case

# Weights depend on positions; those outside the window are dropped without renormalizing.
LOCAL = {"treats_keys_alike": False, "weights_sum_to_one": False}

ROWS = {
    "luong_dot": Case(keras_attention.LuongAttention, {"score": "dot"}),
    "luong_general": Case(
        keras_attention.LuongAttention,
        exclusive_arguments=("use_scale",),  # not for the score "location"
        all_arguments={
            **INITIALIZERS,
            "score": "location",
            "units": 7,
            "max_length": 11,
            "dropout": 0.25,
            "seed": 3,
            "implementation": "plain",
            "use_scale": False,
        },
        wrong_arguments=[
            *DROPOUT,
            ({"implementation": "fast"}, "implementation='fast'"),
            ({"score": "scaled_dot"}, "score='scaled_dot'"),
            ({"score": "location"}, "max_length=None"),
            ({"max_length": 7}, "max_length=7"),
            ({"units": -1}, "units=-1"),
            ({"use_scale": 1}, "use_scale=1"),
            ({"score": "concat", "use_scale": True}, "score='concat', use_scale=True"),
        ],
    ),
    "luong_scaled": Case(
        keras_attention.LuongAttention,
        {"use_scale": True},
        # The length is for the score "location" only; the scale is an argument of this case.
        exclusive_arguments=("max_length", "use_scale"),
        all_arguments={
            **INITIALIZERS,
            "score": "dot",
            "units": 7,
            "max_length": None,
            "dropout": 0.25,
            "seed": 3,
            "implementation": "plain",
            "use_scale": True,
        },
    ),
    "luong_blockwise": Case(keras_attention.LuongAttention, {"implementation": "blockwise"}),
    "luong_concat": Case(keras_attention.LuongAttention, {"score": "concat"}),
    "luong_location": Case(
        keras_attention.LuongAttention,
        {"score": "location", "max_length": 20},
        treats_keys_alike=False,
    ),
    "luong_attentional_vector": Case(
        keras_attention.LuongAttention, {"units": 7}, fully_masked_output_is_zero=False
    ),
    "local_predictive": Case(
        keras_attention.LocalAttention,
        {"window": 3},
        **LOCAL,
        all_arguments={
            **INITIALIZERS,
            "window": 2,
            "alignment": "monotonic",
            "score": "concat",
            "units": 7,
            "renormalize": True,
            "dropout": 0.25,
            "seed": 3,
            "implementation": "plain",
        },
        wrong_arguments=[
            *DROPOUT,
            ({"window": 0}, "window=0"),
            ({"window": 2.5}, "window=2.5"),
            ({"alignment": "local-p"}, "alignment='local-p'"),
            ({"score": "location"}, "score='location'"),
            ({"renormalize": "yes"}, "renormalize='yes'"),
            ({"units": -1}, "units=-1"),
            ({"implementation": "fast"}, "implementation='fast'"),
            (
                {"implementation": "blockwise"},
                "score='general', implementation='blockwise'",
            ),
        ],
    ),
    "local_renormalized": Case(
        keras_attention.LocalAttention,
        {"window": 2, "score": "concat", "renormalize": True},
        treats_keys_alike=False,
    ),
    "local_monotonic": Case(
        keras_attention.LocalAttention,
        {"window": 2, "alignment": "monotonic", "score": "dot"},
        **LOCAL,
    ),
}
