"""A plain Keras model and its export; the layers' own tests export the layers."""

import keras
import numpy as np
import pytest

from tests.export.loader.shared import loader_process, use_shared_loader  # noqa: F401  (fixtures)

collect_ignore = ["loader"]  # a program that is run by its path

BATCH, TIME, WORDS, WIDTH = 3, 5, 11, 7


@pytest.fixture(scope="session", autouse=True)
def tensorflow_only():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("only the tensorflow backend writes a SavedModel")


def make_translator():
    """A model with two masked inputs, recurrent layers, dropout, and two outputs by name."""
    keras.utils.set_random_seed(0)
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    embedding = keras.layers.Embedding(WORDS, WIDTH, mask_zero=True)
    _, state = keras.layers.GRU(WIDTH, return_state=True)(embedding(source))
    decoded = keras.layers.GRU(WIDTH, return_sequences=True)(embedding(target), initial_state=state)
    decoded = keras.layers.Dropout(0.5)(decoded)
    logits = keras.layers.Dense(WORDS)(decoded)
    return keras.Model({"source": source, "target": target}, {"logits": logits, "summary": state})


def sample_ids(batch, time, seed=0):
    return np.random.default_rng(seed).integers(1, WORDS, (batch, time)).astype("int32")


@pytest.fixture(scope="session")
def translator_export(tmp_path_factory):
    """One export for all tests that only load one: (model, its examples, the version directory)."""
    from keras_attention import export

    model = make_translator()

    def encode(source):
        import keras

        blank = keras.ops.ones_like(source[:, :1])
        return model({"source": source, "target": blank}, training=False)["summary"]

    examples = [
        {"source": sample_ids(BATCH, TIME), "target": sample_ids(BATCH, 2)},
        {"source": sample_ids(1, 2, seed=1), "target": sample_ids(1, TIME, seed=1)},
    ]
    path = export.saved_model(
        model,
        tmp_path_factory.mktemp("models") / "translator",
        signatures={"encode": (encode, [model.input["source"]])},
        example=examples,
    )
    return model, examples, path
