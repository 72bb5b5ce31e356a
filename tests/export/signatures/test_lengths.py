"""With lengths, what a server pads a request with does not matter."""

import keras
import numpy as np
import pytest

import keras_attention
from keras_attention import export
from keras_attention.export.checks.fresh_process import run_calls
from keras_attention.export.checks.server_padding import padded
from keras_attention.export.signatures.signature import collect

WORDS = 11


def translator():
    """Ids with zeros for padding, floats with an explicit mask; an output over time, and one."""
    keras.utils.set_random_seed(0)
    source = keras.Input((None,), dtype="int32", name="source")
    frames = keras.Input((None, 5), name="frames")
    heard = keras.Input((None,), dtype="bool", name="heard")
    memory = keras.layers.Embedding(WORDS, 7, mask_zero=True)(source)
    memory = keras.layers.Bidirectional(keras.layers.GRU(4, return_sequences=True))(memory)
    states, alignments = keras_attention.AttentionDecoder(
        keras.layers.GRUCell(6), keras_attention.AdditiveAttention(units=3)
    )(frames, memory, inputs_mask=heard, return_attention_scores=True)
    pooled = keras_attention.AttentionPooling()(states, mask=heard)
    return keras.Model(
        {"source": source, "frames": frames, "heard": heard},
        {"states": states, "alignments": alignments, "pooled": pooled},
    )


def request(words, frames, seed):
    rng = np.random.default_rng(seed)
    return {
        "source": rng.integers(1, WORDS, (1, words)).astype("int32"),
        "frames": rng.standard_normal((1, frames, 5)).astype("float32"),
    }


REQUESTS = [request(*sizes, seed) for seed, sizes in enumerate([(2, 3), (6, 1), (1, 5)])]


def merged(requests):
    """The batch that a server makes of requests of unlike lengths."""
    batch = {}
    for name in requests[0]:
        arrays = [request[name] for request in requests]
        sizes = np.max([array.shape[1:] for array in arrays], axis=0).astype(int)
        batch[name] = np.concatenate([padded(array, sizes) for array in arrays])
    return batch


@pytest.fixture(scope="module")
def model():
    return translator()


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    told = export.with_lengths(model, {"source": 0, "frames": "heard"})
    return export.saved_model(
        None, tmp_path_factory.mktemp("models") / "m", {"serving_default": told}
    )


def with_lengths(request):
    return {
        **request,
        "source_lengths": np.array([request["source"].shape[1]], "int32"),
        "frames_lengths": np.array([request["frames"].shape[1]], "int32"),
    }


def test_the_server_pads_with_the_first_element():
    array = np.array([[[3, 4]], [[5, 6]]])
    assert padded(array, (2, 2)).tolist() == [[[3, 4], [3, 3]], [[5, 6], [3, 3]]]
    assert padded(np.zeros((2, 0)), (1,)).shape == (2, 1)


def test_a_request_answers_the_same_alone_and_padded_by_the_server(model, path):
    requests = [with_lengths(request) for request in REQUESTS]
    *alone, batch = run_calls(
        path, [("serving_default", inputs) for inputs in [*requests, merged(requests)]]
    )
    for row, (inputs, answer) in enumerate(zip(REQUESTS, alone, strict=True)):
        words, frames = inputs["source"].shape[1], inputs["frames"].shape[1]
        own = model({**inputs, "heard": np.ones((1, frames), bool)}, training=False)
        for name, array in answer.items():
            together = batch[name][row : row + 1]
            if name != "pooled":
                together = together[:, :frames]
            if name == "alignments":
                np.testing.assert_array_equal(together[..., words:], 0)
                together = together[..., :words]
            np.testing.assert_allclose(together, array, atol=1e-6)
            np.testing.assert_allclose(array, own[name], atol=1e-6)


def test_without_lengths_the_same_padding_changes_the_answer(model):
    """So that the test above can fail."""
    heard = [np.ones(request["frames"].shape[:2], bool) for request in REQUESTS]
    requests = [{**r, "heard": mask} for r, mask in zip(REQUESTS, heard, strict=True)]
    batch = model(merged(requests), training=False)["pooled"][:1]
    alone = model(requests[0], training=False)["pooled"]
    assert np.abs(batch - alone).max() > 0.01


def test_the_report_knows_of_the_signature_that_has_no_lengths(model, tmp_path):
    heard = np.ones((1, 3), bool)
    told = export.with_lengths(model, {"source": 0, "frames": "heard"})
    path = export.saved_model(
        model, tmp_path / "m", {"told": told}, [with_lengths({**REQUESTS[0], "heard": heard})]
    )
    lines, problems = export.check(path)
    remarks = [line.split(": ")[-1] for line in lines if line.startswith("changes its answer")]
    assert problems == []
    assert remarks == [f"serving_default, output {n}" for n in ("alignments", "pooled", "states")]


def test_the_report_knows_of_a_signature_that_takes_no_longer_request(tmp_path):
    positions = keras.ops.ones((8,))  # the examples have up to 7, and the server pads to 10

    def place(x):
        return x + keras.ops.take(positions, keras.ops.arange(keras.ops.shape(x)[1]))

    spec = export.Spec("x", (None, None), "float32")
    path = export.saved_model(None, tmp_path / "m", {"serving_default": (place, [spec])})
    lines, problems = export.check(path)
    assert problems == []
    assert any(line.startswith("refuses a request that the server pads") for line in lines)


@pytest.mark.parametrize("length", [-1, 4])
def test_a_length_that_cannot_be_is_refused(path, length):
    inputs = with_lengths(REQUESTS[0])
    inputs["frames_lengths"] = np.array([length], "int32")
    message = rf"`frames_lengths` from 0 to the length of `frames`\..*\[{length}\].*length is\] \[3"
    with pytest.raises(RuntimeError, match=message):
        export.run_in_c_loader(path, "serving_default", inputs)


def test_a_sequence_of_length_0_is_all_padding(model, path):
    inputs = {**with_lengths(REQUESTS[0]), "source_lengths": np.array([0], "int32")}
    answer = export.run_in_c_loader(path, "serving_default", inputs)
    np.testing.assert_array_equal(answer["alignments"], 0)


def test_one_sequences_length_is_called_lengths_and_padding_may_be_any_value():
    spec = export.Spec("x", (None, None, 2), "float32")
    parts = (lambda x: x, [spec], ["tables"])
    function, specs, resources = export.with_lengths(parts, {"x": -1.5})
    assert [spec.name for spec in specs] == ["x", "lengths"] and resources == ["tables"]
    (signature,) = collect(None, {"serving_default": (function, specs)})
    import tensorflow as tf

    outputs = signature.outputs(tf.ones((2, 3, 2)), tf.constant([1, 3]))["output"]
    assert outputs[..., 0].numpy().tolist() == [[1, -1.5, -1.5], [1, 1, 1]]
