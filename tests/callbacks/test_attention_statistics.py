"""AttentionStatistics adds entropies and gammas to the history and to later callbacks' logs."""

import keras
import numpy as np
import pytest

import keras_attention
from keras_attention.callbacks import AttentionStatistics
from keras_attention.callbacks.attention_statistics import compute_entropy


def test_history_and_later_callbacks_have_the_entropy_of_each_layer(tmp_path):
    ids = np.array([[1, 7, 2], [5, 3, 0]])
    embedding = keras.layers.Embedding(9, 4, mask_zero=True)
    pooling = keras_attention.AttentionPooling(name="pooling")
    model = keras.Sequential([keras.Input((None,)), embedding, pooling])
    model.compile(loss="mse", run_eagerly=True)
    log = keras.callbacks.CSVLogger(str(tmp_path / "log.csv"))
    callbacks = [AttentionStatistics(ids), log]
    history = model.fit(ids, np.ones((2, 4)), epochs=2, callbacks=callbacks, verbose=0).history
    weights = keras_attention.attention_weights(model, ids)["pooling"]
    terms = [w * np.log(w) for w in weights.astype("float64").ravel() if w > 0]
    assert len(history["pooling_entropy"]) == 2 and len(terms) == 5
    assert history["pooling_entropy"][1] == pytest.approx(-sum(terms) / 2, abs=1e-5)
    header, *lines = (tmp_path / "log.csv").read_text().splitlines()
    assert "pooling_entropy" in header.split(",") and len(lines) == 2


def test_history_has_the_gamma_of_image_attention():
    images = np.random.default_rng(0).normal(size=(2, 3, 3, 8)).astype("float32")
    layer = keras_attention.SelfAttention2D(name="attention")
    model = keras.Sequential([keras.Input((3, 3, 8)), layer])
    model.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=True)
    options = {"callbacks": [AttentionStatistics(images)], "verbose": 0}
    history = model.fit(images, 2 * images, **options).history
    [gamma] = history["attention_gamma"]
    assert gamma == float(keras.ops.convert_to_numpy(layer.gamma)) != 0
    assert 0 < history["attention_entropy"][0] <= np.log(9) + 1e-6


@pytest.mark.parametrize(
    ("weights", "entropy"),
    [
        ([[0.25] * 4], np.log(4)),
        ([[1, 0, 0], [0, 0, 0]], 0.0),
        ([[0.1, 0.1], [0, 0.7]], np.log(2) / 2),
        ([[0, 0]], 0.0),
    ],
)
def test_entropy_is_the_mean_over_the_queries_with_weights(weights, entropy):
    assert compute_entropy(np.array(weights)) == pytest.approx(entropy)
