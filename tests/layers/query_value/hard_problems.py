"""Small problems for hard attention, with one gradient per example."""

import keras
import numpy as np

from keras_attention import HardAttention, ReinforceModel
from tests.compile_model import compile_model

EXAMPLES = 50_000
STEPS, KEYS, WIDTH, VALUES, OUTPUTS = 2, 3, 2, 1, 2
ON_TORCH = keras.backend.backend() == "torch"
RNG = np.random.default_rng(2)
QUERY, KEY, VALUE = (
    RNG.normal(size=shape) for shape in [(STEPS, WIDTH), (KEYS, WIDTH), (KEYS, VALUES)]
)
SECOND_LAYER = tuple(RNG.normal(size=x.shape) for x in (QUERY, KEY, VALUE))
TARGET = np.array([3.0, -2.0])
READOUT = RNG.normal(size=(STEPS * VALUES, OUTPUTS))
READOUT_FOR_TWO_LAYERS = RNG.normal(size=(2 * STEPS * VALUES, OUTPUTS))
# The estimator is documented as unbiased for these options.
UNBIASED = {"reward_weight": 1.0, "entropy_weight": 0.0}


def repeat(x):
    return np.repeat(np.asarray(x, "float32")[None], EXAMPLES, axis=0)


def per_example_parameter(ids, array):
    """Return one trainable copy of an array per example, so that each has its own gradient."""
    table = keras.layers.Embedding(EXAMPLES, array.size)
    rows = keras.layers.Reshape(array.shape)(table(ids))
    table.set_weights([repeat(array.ravel())])
    return rows, table


def build(layers, readout, rate=0.0, **options):
    """Build a model of hard attention layers and a readout matrix; only the queries are trained.

    `layers` is [(query, key, value), ...].
    """
    ids = keras.Input((), dtype="int32")
    data, inputs, tables, contexts = [np.arange(EXAMPLES)], [ids], [], []
    for seed, (query, key, value) in enumerate(layers):
        memory = [keras.Input(x.shape) for x in (value, key)]
        queries_input, table = per_example_parameter(ids, query)
        layer = HardAttention("dot", expectation_rate=rate, seed=seed)
        contexts.append(keras.layers.Flatten()(layer([queries_input, *memory])))
        data += [repeat(value), repeat(key)]
        inputs += memory
        tables.append(table)
    contexts = keras.layers.Concatenate()(contexts) if len(contexts) > 1 else contexts[0]
    outputs = keras.layers.Dense(len(readout[0]), use_bias=False, trainable=False)
    model = ReinforceModel(inputs, outputs(contexts), **{**UNBIASED, **options})
    outputs.set_weights([readout])
    return model, tables, data


def gradients(model, tables, data, target, sample_weight=None):
    """Return every example's gradient of each table in one step of `fit`; restore the tables.

    The loss is a mean: with the number of examples as the learning rate, a step equals the
    gradient of each example's loss.
    """
    before = [table.get_weights()[0] for table in tables]
    compile_model(model, keras.optimizers.SGD(float(EXAMPLES)), "mse", jit_compile=not ON_TORCH)
    model.fit(
        data,
        repeat(target),
        batch_size=EXAMPLES,
        shuffle=False,
        verbose=0,
        sample_weight=sample_weight,
    )
    after = [table.get_weights()[0] for table in tables]
    for table, weights in zip(tables, before, strict=True):
        table.set_weights([weights])
    return [b - a for b, a in zip(before, after, strict=True)]


def assert_mean_is_near(samples, expected, errors=4.0, precision=0.15):
    """Assert that the mean of the samples is within `errors` standard errors of the expected one.

    That margin must be smaller than `precision` times the norm of the expected gradient;
    otherwise the comparison could not fail.
    """
    expected = np.asarray(expected).ravel()
    error = samples.std(axis=0) / np.sqrt(len(samples))
    assert errors * error.max() < precision * np.linalg.norm(expected)
    assert (np.abs(samples.mean(axis=0) - expected) < errors * error).all()
