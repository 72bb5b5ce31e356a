"""`with_seed`: random numbers that a request determines, whatever its batch holds."""

import keras
import numpy as np

import keras_attention
from keras_attention import export
from tests.export.models.tries import Case, Tries

layers = keras.layers
tries = Tries("with_seed")


def sample(function, shape=(4,)):
    """The case of a model that runs with `training=True`; each row must be as if it was alone."""
    x = keras.Input(shape, name="x")
    model = keras.Model(x, function(x))
    drawn = lambda x: {"y": model(x, training=True)}  # noqa: E731
    parts = export.with_seed((drawn, model.inputs, [model]))
    array = np.random.default_rng(0).random((3, *(size or 5 for size in shape)), "float32")
    seeds = np.int32([[1, 2], [1, 3], [1, 2]])
    answers = [parts[0](x=array[:1], seed=np.int32([[0, seed]]))["y"] for seed in range(9)]
    if all(np.array_equal(answer, answers[0]) for answer in answers):
        raise AssertionError("The answers do not depend on the seed.")

    def compute(x, seed):
        rows = [parts[0](x=x[i : i + 1], seed=seed[i : i + 1])["y"] for i in range(len(x))]
        return {"y": keras.ops.concatenate(rows)}

    return Case(
        model,
        {"sample": parts},
        requests=[("sample", {"x": array, "seed": seeds})],
        expected={"sample": compute},
    )


@tries.right(quick=True)
def dropout():
    return sample(lambda x: layers.Dense(5)(layers.Dropout(0.5)(layers.Dense(8)(x))))


@tries.right()
def noise():
    return sample(lambda x: layers.GaussianDropout(0.2)(layers.GaussianNoise(1.0)(x)))


@tries.right()
def recurrent_dropout():
    return sample(layers.LSTM(3, dropout=0.3, recurrent_dropout=0.3), (None, 4))


@tries.right()
def hard_attention():
    attend = keras_attention.HardAttention(expectation_rate=0.0)
    queries = layers.Dense(16)
    return sample(lambda x: attend([queries(x[:, 0]), queries(x)]), (None, 4))


@tries.right()
def dropout_with_batch_normalization():
    return sample(lambda x: layers.BatchNormalization()(layers.Dropout(0.5)(x)), (4, 3))


@tries.refused("SeedGenerator", "Received: resources=", quick=True)
def a_model_that_draws_nothing():
    x = keras.Input((4,), name="x")
    return Case(None, {"sample": export.with_seed(keras.Model(x, layers.Dense(3)(x)))})
