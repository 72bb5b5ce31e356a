"""Exported signatures that sample text, by inputs of their own and by `with_seed`."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import export
from keras_attention.decoding import greedy, sample
from keras_attention.export.signatures.spec import BATCH

WORDS, MAX_LENGTH = 11, 6
GENERATOR = keras.random.SeedGenerator(0)
# Logits of the next word by the last word, the same for all rows but for the row's own prompt.
TABLE = np.random.default_rng(0).normal(size=(WORDS, WORDS)).astype("float32")


def step(tokens, state, memory):
    return ops.take(ops.convert_to_tensor(TABLE), tokens, axis=0) + state, state, None


def decode(decoder, prompt, **options):
    bias = ops.cast(prompt, "float32") / 10
    return decoder(step, bias, prompt[:, 0], 0, MAX_LENGTH, **options)._asdict()


def complete(prompt, temperature, top_p, seed):
    decoded = decode(sample, prompt, temperature=temperature, top_p=top_p, top_k=9, seed=seed)
    return {name: decoded[name] for name in ("tokens", "lengths", "scores")}


def complete_by_generator(prompt):
    return {"tokens": decode(sample, prompt, seed=GENERATOR)["tokens"]}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    prompt = export.Spec("prompt", (BATCH, WORDS), "int32")
    numbers = [export.Spec(name, (BATCH,), "float32") for name in ("temperature", "top_p")]
    seed = export.Spec("seed", (BATCH,), "int32")
    return export.saved_model(
        None,
        tmp_path_factory.mktemp("models") / "m",
        {
            "serving_default": (complete, [prompt, *numbers, seed], []),
            "by_generator": export.with_seed((complete_by_generator, [prompt], [GENERATOR])),
        },
    )


def make_inputs(rows):
    """Return the inputs of some of four rows; the first one has the temperature 0."""
    inputs = {
        "prompt": np.random.default_rng(1).integers(1, WORDS, (4, WORDS)).astype("int32"),
        "temperature": np.array([0.0, 0.7, 1.0, 1.5], "float32"),
        "top_p": np.array([1.0, 0.8, 1.0, 0.9], "float32"),
        "seed": np.array([4, 4, -1, 2**31 - 1], "int32"),
    }
    return {name: array[rows] for name, array in inputs.items()}


def test_text_of_a_row_depends_on_its_own_inputs_only(path, loader_process):
    orders = [[0, 1, 2, 3], [2], [3, 3, 1], []]
    calls = [("serving_default", make_inputs(rows)) for rows in orders]
    together, *others = loader_process.run_calls(path, calls)
    for rows, answer in zip(orders[1:], others, strict=True):
        np.testing.assert_array_equal(answer["tokens"], together["tokens"][rows])
        np.testing.assert_allclose(answer["scores"], together["scores"][rows], rtol=1e-6)
    for name, array in complete(**make_inputs(orders[0])).items():
        np.testing.assert_allclose(ops.convert_to_numpy(array), together[name], rtol=1e-5)
    expected = decode(greedy, make_inputs([0])["prompt"])["tokens"]
    np.testing.assert_array_equal(ops.convert_to_numpy(expected), together["tokens"][:1])


def test_generator_becomes_a_seed_of_each_row(path, loader_process):
    prompt = make_inputs([1] * 4)["prompt"]
    seeds = np.array([[1, 2], [3, 4], [1, 2], [5, 6]], "int32")
    calls = [
        ("by_generator", {"prompt": prompt[rows], "seed": seeds[rows]})
        for rows in ([0, 1, 2, 3], [3, 0])
    ]
    together, others = (answer["tokens"] for answer in loader_process.run_calls(path, calls))
    np.testing.assert_array_equal(together[0], together[2])
    np.testing.assert_array_equal(others, together[[3, 0]])
    assert len(np.unique(together, axis=0)) == 3
