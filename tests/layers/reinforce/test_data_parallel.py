"""JAX with `keras.distribution.DataParallel`: training on two devices matches training on one.

The tests run in a separate process, in which XLA presents the CPU as two devices.
"""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_attention

if keras.backend.backend() != "jax":
    pytest.skip("keras.distribution needs JAX", allow_module_level=True)


def additive(query, memory):
    return keras_attention.AdditiveAttention(units=8)([query, memory])


def multi_head(query, memory):
    del memory
    return keras_attention.MultiHeadSelfAttention(num_heads=2, key_dim=4)(query)


def decoder(query, memory):
    cell, attention = keras.layers.GRUCell(8), keras_attention.AdditiveAttention(units=8)
    return keras_attention.AttentionDecoder(cell, attention, attend="before")(query, memory)


def turing_machine(query, memory):
    del memory
    cell = keras_attention.NTMCell(7, slots=11, width=5)
    return keras.layers.RNN(cell, return_sequences=True)(query)


LAYERS = {f.__name__: f for f in (additive, multi_head, decoder, turing_machine)}


def train(layer):
    """Return the outputs of a model, and its losses in three epochs of `fit`."""
    keras.utils.set_random_seed(0)
    query, memory = keras.Input((3, 7)), keras.Input((5, 7))
    outputs = keras.layers.Dense(1)(layer(query, memory))
    model = keras.Model([query, memory], outputs)
    model.compile(keras.optimizers.Adam(0.01), "mse")
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(16, steps, 7)).astype("float32") for steps in (3, 5)]
    y = x[1].mean(axis=(1, 2))[:, None, None] + x[0].cumsum(axis=1).mean(-1, keepdims=True)
    before = model.predict(x, batch_size=8, verbose=0)
    history = model.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0)
    kernel = model.trainable_variables[0].value
    return {
        "outputs": before.tolist(),
        "losses": history.history["loss"],
        "devices": len(kernel.sharding.device_set),
    }


def print_results():
    """Print the results of all layers on one device, and on two."""
    one = {name: train(layer) for name, layer in LAYERS.items()}
    devices = keras.distribution.list_devices()
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    two = {name: train(layer) for name, layer in LAYERS.items()}
    print(json.dumps([one, two]))


@pytest.fixture(scope="module")
def results():
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
    environment = {**os.environ, "XLA_FLAGS": flags}
    environment["JAX_PLATFORMS"] = "cpu"
    script = "from tests.layers.reinforce.test_data_parallel import print_results as run; run()"
    command = [sys.executable, "-c", script]
    process = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])


@pytest.mark.parametrize("layer", LAYERS)
def test_two_devices_learn_the_same_as_one(layer, results):
    one, two = (result[layer] for result in results)
    assert (one["devices"], two["devices"]) == (1, 2)
    np.testing.assert_allclose(two["outputs"], one["outputs"], atol=1e-5)
    np.testing.assert_allclose(two["losses"], one["losses"], rtol=1e-5)
    assert one["losses"][-1] < one["losses"][0]
