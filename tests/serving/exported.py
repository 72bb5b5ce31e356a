"""A small model with masks and attention, exported in versions with different answers."""

import keras
import numpy as np

import keras_attention
from tests.serving.request import Request

NAME = "reader"


def make_model():
    """Return a model from words to a rating and the attention weights."""
    words = keras.Input((None,), dtype="int32", name="words")
    embedded = keras.layers.Embedding(50, 8, mask_zero=True)(words)
    context, weights = keras_attention.AdditiveAttention()(embedded, return_attention_scores=True)
    liked = keras.layers.Dense(1)(keras_attention.AttentionPooling()(context))
    return keras.Model(words, {"liked": liked, "weights": weights})


def export_versions(directory, count):
    """Export `count` versions with different weights; return requests with the answers of each."""
    rng, model = np.random.default_rng(0), make_model()
    requests = []
    for size in range(40):
        words = rng.integers(0, 50, (1 + size % 7, 1 + size * 5), "int32")
        requests.append(Request(NAME, "serving_default", {"words": words}, {}))
    for version in range(1, count + 1):
        model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
        keras_attention.export.saved_model(model, directory / NAME)
        for request in requests:
            outputs = model(request.inputs["words"])
            request.expected[version] = {name: np.array(value) for name, value in outputs.items()}
    return requests
