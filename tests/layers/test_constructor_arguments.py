"""Constructors of public classes check every argument; the error names the argument."""

import inspect

import keras
import numpy as np
import pytest

import keras_attention as ka
from keras_attention import score


class Unknown:
    """An object that no argument accepts."""

    def __repr__(self):
        return "Unknown()"


def create_model(**options):
    inputs = keras.Input((3,))
    return ka.ReinforceModel(inputs, keras.layers.Dense(1)(inputs), **options)


HEADS = {"num_heads": 2}
BLOCK = {"num_heads": 2, "hidden_dim": 4}
# The required arguments of every constructor.
REQUIRED = {
    ka.AdditiveAttention: {},
    ka.Attention: {},
    ka.AttentionDecoder: {"cell": keras.layers.GRUCell(3), "attention": ka.Attention()},
    ka.AttentionPooling: {},
    ka.DeepFusionDecoder: {"units": 4, "max_length": 5},
    ka.BagOfWords: {"size": 4, "width": 5},
    ka.Dropout: {"rate": 0.5},
    ka.EachStep: {"layer": keras.layers.Dense(3)},
    ka.GraphAttention: {"units": 4},
    ka.HardAttention: {},
    ka.LSTMNCell: {"units": 4, "max_length": 5},
    ka.LocalAttention: {"window": 2},
    ka.LocationAwareAttention: {},
    ka.LuongAttention: {},
    ka.MonotonicAttention: {},
    ka.MultiHeadAttention: HEADS,
    ka.MultiHeadSelfAttention: HEADS,
    ka.MultiHopAttention: {},
    ka.NTMCell: {"units": 4},
    ka.PatchEmbedding: {"patch": 2, "width": 4},
    ka.PointerDecoder: {"units": 4},
    ka.PositionalEncoding: {},
    ka.RecurrentGlimpses: {},
    ka.ReinforceModel: {},
    ka.ResidualStack: {"cells": [keras.layers.GRUCell(3)]},
    ka.SelfAttention2D: {},
    ka.TimeReduction: {},
    ka.TransformerDecoderBlock: BLOCK,
    ka.TransformerEncoderBlock: BLOCK,
    score.AdditiveScore: {},
    score.CosineScore: {},
    score.DotScore: {},
    score.GeneralScore: {},
    score.LocationAwareScore: {},
    score.LocationScore: {"max_length": 3},
}
NUMBERS = [-1, 0, 3, -0.5, 1.5, 2.0, True, float("nan"), float("inf")]
OTHERS = ["x", Unknown(), [1], {}, np.ones(2), None]
POSITIVE, OPTIONAL, FLAG, RATE = [3], [3, None], [True], [0]
ABOVE_ONE = [3, 1.5, 2.0]
# The values of `NUMBERS` and `OTHERS` that each argument accepts; the rest must be refused.
ACCEPTED = {
    "activation": [None],
    "attention_dropout": RATE,
    "attention_units": OPTIONAL,
    "base": ABOVE_ONE,
    "bias": [-1, 0, 3, -0.5, 1.5, 2.0],
    "baseline_decay": RATE,
    "channels": POSITIVE,
    "chunk": POSITIVE,
    "class_token": FLAG,
    "clip": [3, 1.5, 2.0, None],
    "controller_units": OPTIONAL,
    "cumulative": FLAG,
    "data_format": [None],
    "dropout": RATE,
    "deviation": [3, 1.5, 2.0],
    "dynamic": FLAG,
    "end_slot": FLAG,
    "entropy_weight": [0, 3, 1.5, 2.0],
    "expectation_rate": [0, None],
    "factor": POSITIVE,
    "feature_dropout": RATE,
    "filters": POSITIVE,
    "glimpse_units": POSITIVE,
    "glimpses": POSITIVE,
    "heads": POSITIVE,
    "hidden_dim": POSITIVE,
    "hop_activation": [None],
    "hops": POSITIVE,
    "key_dim": OPTIONAL,
    "key_reduction": POSITIVE,
    "layer_norm_epsilon": [3, 1.5, 2.0],
    "locator_units": OPTIONAL,
    "max_length": POSITIVE,
    "negative_slope": [0, 3, 1.5, 2.0],
    "noise": [0, 3, 1.5, 2.0],
    "noise_shape": [[1], None],
    "normalized": FLAG,
    "num_heads": POSITIVE,
    "num_key_value_heads": [None],
    "output_activation": [None],
    "output_mode": [None],
    "patch": POSITIVE,
    "pool_keys": FLAG,
    "position_encoding": [None],
    "rate": RATE,
    "read_heads": POSITIVE,
    "renormalize": FLAG,
    "residual_from": [0, 3],
    "return_addresses": FLAG,
    "return_cells": FLAG,
    "return_weights": FLAG,
    "reward": [None],
    "reward_weight": [0, 3, 1.5, 2.0],
    "rotary_base": [3, 1.5, 2.0, None],
    "scale": FLAG,
    "scaled": FLAG,
    "scales": POSITIVE,
    "seed": [0, 3, None],
    "sharpness": [3, 1.5, 2.0],
    "shared_width": [0, 3],
    "self_loops": FLAG,
    "shift_range": [0, 3],
    "size": POSITIVE,
    "slots": POSITIVE,
    "spectral_normalization": FLAG,
    "start": [None],
    "strength": ABOVE_ONE,
    "temperature": [None],
    "units": OPTIONAL,
    "use_bias": FLAG,
    "use_scale": FLAG,
    "value_dim": OPTIONAL,
    "value_reduction": OPTIONAL,
    "width": POSITIVE,
    "write_heads": POSITIVE,
}
# Accepted values of arguments for which a class differs from `ACCEPTED`.
EXCEPTIONS = {
    (ka.DeepFusionDecoder, "units"): POSITIVE,
    (ka.LSTMNCell, "units"): POSITIVE,
    (ka.GraphAttention, "units"): POSITIVE,
    (ka.BagOfWords, "max_length"): OPTIONAL,
    (ka.LocalAttention, "window"): POSITIVE,
    (ka.LocationAwareAttention, "window"): OPTIONAL,
    (ka.LuongAttention, "max_length"): [None],
    (ka.MultiHeadSelfAttention, "window"): OPTIONAL,
    (ka.NTMCell, "units"): POSITIVE,
    (ka.PointerDecoder, "cell"): [None],
    (ka.PointerDecoder, "units"): POSITIVE,
    (ka.RecurrentGlimpses, "cell"): [None],
    (ka.RecurrentGlimpses, "start"): [],
    (ka.RecurrentGlimpses, "units"): POSITIVE,
    (ka.TransformerDecoderBlock, "window"): OPTIONAL,
    (ka.TransformerEncoderBlock, "window"): OPTIONAL,
}


def list_arguments():
    for cls in REQUIRED:
        for parameter in inspect.signature(cls.__init__).parameters.values():
            if parameter.name != "self" and "VAR" not in parameter.kind.name:
                yield pytest.param(cls, parameter.name, id=f"{cls.__name__}-{parameter.name}")


def is_accepted(cls, name, value):
    if name.endswith(("initializer", "regularizer")):
        # Keras turns an array into a constant initializer.
        return value is None or isinstance(value, np.ndarray) and name.endswith("initializer")
    if name == "seed" and type(value) is int:
        # Only JAX has no negative seeds.
        return value >= 0 or keras.backend.backend() != "jax"
    accepted = EXCEPTIONS.get((cls, name), ACCEPTED.get(name, []))
    return any(type(value) is type(a) and value == a for a in accepted)


def test_every_public_class_is_listed():
    public = [vars(ka)[name] for name in dir(ka)] + [vars(score)[name] for name in score.__all__]
    layers = {v for v in public if inspect.isclass(v) and issubclass(v, keras.layers.Layer)}
    assert layers - {score.Score} == set(REQUIRED)


@pytest.mark.parametrize(("cls", "name"), list_arguments())
def test_wrong_argument_is_refused_by_the_constructor(cls, name):
    create = create_model if cls is ka.ReinforceModel else cls
    for value in [*NUMBERS, *OTHERS]:
        arguments = {**REQUIRED[cls], name: value}
        if is_accepted(cls, name, value):
            create(**arguments)
        else:
            with pytest.raises((TypeError, ValueError), match=name):
                create(**arguments)


@pytest.mark.parametrize("cls", [ka.MultiHeadSelfAttention, ka.TransformerEncoderBlock])
def test_odd_key_dim_is_refused_by_the_constructor_with_rotary_positions(cls):
    with pytest.raises(ValueError, match="even `key_dim` .* Received: key_dim=3"):
        cls(**REQUIRED[cls], key_dim=3, rotary_base=10000.0)


def test_max_length_is_refused_where_no_score_uses_it():
    with pytest.raises(ValueError, match="max_length=5"):
        ka.LocalAttention(2, max_length=5)


def test_numpy_integer_is_a_seed():
    layer = ka.AdditiveAttention(dropout=0.5, seed=np.int64(3))
    assert type(layer.get_config()["seed"]) is int


def test_seed_that_the_backend_cannot_hold_is_refused():
    with pytest.raises(ValueError, match=f"integer from .* Received: seed={2**70}"):
        ka.AttentionPooling(seed=2**70)
