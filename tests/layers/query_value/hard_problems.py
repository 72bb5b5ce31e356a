"""Small problems for hard attention whose gradient can be had example by example."""

import keras
import numpy as np

from keras_attention import HardAttention, ReinforceModel

EXAMPLES = 50_000
STEPS, KEYS, WIDTH, VALUES, OUTPUTS = 2, 3, 2, 1, 2
ON_TORCH = keras.backend.backend() == "torch"
RNG = np.random.default_rng(2)
QUERY, KEY, VALUE = (
    RNG.normal(size=shape) for shape in [(STEPS, WIDTH), (KEYS, WIDTH), (KEYS, VALUES)]
)
OTHER = tuple(RNG.normal(size=x.shape) for x in (QUERY, KEY, VALUE))
TARGET = np.array([3.0, -2.0])
READOUT = RNG.normal(size=(STEPS * VALUES, OUTPUTS))
READOUT_OF_TWO = RNG.normal(size=(2 * STEPS * VALUES, OUTPUTS))


def repeated(x):
    return np.repeat(np.asarray(x, "float32")[None], EXAMPLES, axis=0)


def parameter(ids, array):
    """An array that every example has a copy of: its gradient there is that example's."""
    table = keras.layers.Embedding(EXAMPLES, array.size)
    rows = keras.layers.Reshape(array.shape)(table(ids))
    table.set_weights([repeated(array.ravel())])
    return rows, table


def built(layers, readout, rate=0.0, **options):
    """Hard layers of [(query, key, value), ...] read through a matrix; each one's query learns."""
    ids = keras.Input((), dtype="int32")
    data, inputs, tables, contexts = [np.arange(EXAMPLES)], [ids], [], []
    for seed, (query, key, value) in enumerate(layers):
        memory = [keras.Input(x.shape) for x in (value, key)]
        asking, table = parameter(ids, query)
        layer = HardAttention("dot", expectation_rate=rate, seed=seed)
        contexts.append(keras.layers.Flatten()(layer([asking, *memory])))
        data += [repeated(value), repeated(key)]
        inputs += memory
        tables.append(table)
    contexts = keras.layers.Concatenate()(contexts) if len(contexts) > 1 else contexts[0]
    outputs = keras.layers.Dense(len(readout[0]), use_bias=False, trainable=False)
    model = ReinforceModel(inputs, outputs(contexts), **{**EXACT, **options})
    outputs.set_weights([readout])
    return model, tables, data


# With these the estimator says that it is unbiased.
EXACT = {"reward_weight": 1.0, "entropy_weight": 0.0}


def gradients(model, tables, data, target, sample_weight=None):
    """Every example's gradient by each table, of one step of `fit`; the tables stay as they are.

    The loss is a mean: with as large a learning rate as there are examples, a step is the
    gradient of each one's share.
    """
    before = [table.get_weights()[0] for table in tables]
    model.compile(keras.optimizers.SGD(float(EXAMPLES)), "mse", jit_compile=not ON_TORCH)
    model.fit(
        data,
        repeated(target),
        batch_size=EXAMPLES,
        shuffle=False,
        verbose=0,
        sample_weight=sample_weight,
    )
    after = [table.get_weights()[0] for table in tables]
    for table, weights in zip(tables, before, strict=True):
        table.set_weights([weights])
    return [b - a for b, a in zip(before, after, strict=True)]


def assert_mean_is(samples, expected, errors=4.0, precision=0.15):
    """The mean of the samples is the expected one within so many standard errors.

    And that says something: so many errors are less than `precision` of the gradient's norm.
    """
    expected = np.asarray(expected).ravel()
    error = samples.std(axis=0) / np.sqrt(len(samples))
    assert errors * error.max() < precision * np.linalg.norm(expected)
    assert (np.abs(samples.mean(axis=0) - expected) < errors * error).all()
