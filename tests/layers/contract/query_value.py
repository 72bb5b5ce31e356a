"""Contract cases of Attention, AdditiveAttention and HardAttention."""

import keras_attention
from keras_attention.score import DotScore, GeneralScore
from tests.layers.contract.common import DROPOUT, INITIALIZERS, Case

ROWS = {
    "attention": Case(
        keras_attention.Attention,
        all_arguments={
            "score": "cosine",
            "normalize": "sparsemax",
            "dropout": 0.25,
            "seed": 3,
            "implementation": "plain",
        },
        wrong_arguments=[
            *DROPOUT,
            ({"implementation": "fast"}, "implementation='fast'"),
            ({"score": "dott"}, "score='dott'"),
            ({"normalize": 3}, "normalize=3"),
        ],
    ),
    "attention_scaled_sparsemax": Case(
        keras_attention.Attention, {"score": "scaled_dot", "normalize": "sparsemax"}
    ),
    "attention_cosine": Case(keras_attention.Attention, {"score": "cosine"}),
    "attention_blockwise": Case(
        keras_attention.Attention,
        {"score": lambda: DotScore(scaled=True, use_scale=True), "implementation": "blockwise"},
    ),
    "attention_general_scaled": Case(
        keras_attention.Attention, {"score": lambda: GeneralScore(use_scale=True)}
    ),
    "attention_hardmax": Case(
        keras_attention.Attention, {"normalize": "hardmax"}, treats_keys_alike=False
    ),
    "additive": Case(
        keras_attention.AdditiveAttention,
        all_arguments={
            **INITIALIZERS,
            "units": 7,
            "use_bias": True,
            "dropout": 0.25,
            "seed": 3,
            "scale_initializer": "ones",
            "bias_initializer": "ones",
            "implementation": "plain",
            "normalized": True,
        },
        wrong_arguments=[
            *DROPOUT,
            ({"normalized": 1}, "normalized=1"),
            ({"units": 0}, "units=0"),
            ({"units": 2.5}, "units=2.5"),
            ({"use_bias": "yes"}, "use_bias='yes'"),
            ({"implementation": "fast"}, "implementation='fast'"),
        ],
    ),
    "additive_blockwise": Case(
        keras_attention.AdditiveAttention, {"units": 7, "implementation": "blockwise"}
    ),
    "additive_normalized_blockwise": Case(
        keras_attention.AdditiveAttention,
        {"units": 7, "normalized": True, "use_bias": True, "implementation": "blockwise"},
    ),
    "hard": Case(
        keras_attention.HardAttention,
        treats_keys_alike=False,
        all_arguments={
            "score": "cosine",
            "estimator": "gumbel",
            "expectation_rate": 0.25,
            "temperature": 0.5,
            "inference": "expectation",
            "seed": 3,
            "implementation": "plain",
        },
        wrong_arguments=[
            ({"score": "dott"}, "score='dott'"),
            ({"estimator": "sample"}, "estimator='sample'"),
            ({"expectation_rate": 1.0}, "expectation_rate=1.0"),
            ({"temperature": 0.5}, "estimator='reinforce', temperature=0.5"),
            ({"estimator": "gumbel", "temperature": 0}, "temperature=0"),
            ({"inference": "sample"}, "inference='sample'"),
            ({"implementation": "fast"}, "implementation='fast'"),
            (
                {"score": "dot", "implementation": "blockwise"},
                "score='dot', implementation='blockwise'",
            ),
        ],
    ),
    "hard_straight_through": Case(
        keras_attention.HardAttention,
        {"score": "scaled_dot", "estimator": "straight_through", "inference": "expectation"},
    ),
}
