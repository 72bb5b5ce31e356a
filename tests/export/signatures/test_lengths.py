"""`with_lengths`: the answer does not depend on the padding that a server adds to a request."""

import keras
import numpy as np
import pytest

import keras_attention
from keras_attention import export
from keras_attention.export.checks.server_padding import pad_like_server
from keras_attention.export.signatures.signature import collect_signatures

WORDS = 11


def make_translator():
    """A model of ids padded with 0 and frames with a mask; two of its outputs are over time."""
    keras.utils.set_random_seed(0)
    source = keras.Input((None,), dtype="int32", name="source")
    frames = keras.Input((None, 5), name="frames")
    frames_mask = keras.Input((None,), dtype="bool", name="frames_mask")
    memory = keras.layers.Embedding(WORDS, 7, mask_zero=True)(source)
    memory = keras.layers.Bidirectional(keras.layers.GRU(4, return_sequences=True))(memory)
    states, alignments = keras_attention.AttentionDecoder(
        keras.layers.GRUCell(6), keras_attention.AdditiveAttention(units=3)
    )(frames, memory, inputs_mask=frames_mask, return_attention_scores=True)
    pooled = keras_attention.AttentionPooling()(states, mask=frames_mask)
    return keras.Model(
        {"source": source, "frames": frames, "frames_mask": frames_mask},
        {"states": states, "alignments": alignments, "pooled": pooled},
    )


def make_request(words, frames, seed, batch=1):
    rng = np.random.default_rng(seed)
    return {
        "source": rng.integers(1, WORDS, (batch, words)).astype("int32"),
        "frames": rng.standard_normal((batch, frames, 5)).astype("float32"),
    }


REQUESTS = [make_request(*sizes, seed) for seed, sizes in enumerate([(2, 3), (6, 1), (1, 5)])]


def merge_like_server(requests):
    """Return the batch that a server makes of requests of different lengths."""
    batch = {}
    for name in requests[0]:
        arrays = [request[name] for request in requests]
        sizes = np.max([array.shape[1:] for array in arrays], axis=0).astype(int)
        batch[name] = np.concatenate([pad_like_server(array, sizes) for array in arrays])
    return batch


def add_mask(request):
    return {**request, "frames_mask": np.ones(request["frames"].shape[:2], bool)}


def add_lengths(request):
    batch, words = request["source"].shape
    return {
        **request,
        "source_lengths": np.full(batch, words, "int32"),
        "frames_lengths": np.full(batch, request["frames"].shape[1], "int32"),
    }


@pytest.fixture(scope="module")
def model():
    return make_translator()


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    """The model's own signature `serving_default`, and one with lengths."""
    requests = [REQUESTS[0], make_request(7, 4, seed=3, batch=3)]
    return export.saved_model(
        model,
        tmp_path_factory.mktemp("models") / "m",
        {"with_lengths": export.with_lengths(model, {"source": 0, "frames": "frames_mask"})},
        [add_lengths(add_mask(request)) for request in requests],
    )


def test_the_server_pads_with_the_first_element():
    array = np.array([[[3, 4]], [[5, 6]]])
    assert pad_like_server(array, (2, 2)).tolist() == [[[3, 4], [3, 3]], [[5, 6], [3, 3]]]
    assert pad_like_server(np.zeros((2, 0)), (1,)).shape == (2, 1)


def test_a_row_has_the_same_answer_alone_and_padded_by_the_server(model, path, loader_process):
    requests = [add_lengths(request) for request in REQUESTS]
    *single_answers, batch = loader_process.run_calls(
        path, [("with_lengths", inputs) for inputs in [*requests, merge_like_server(requests)]]
    )
    for row, (inputs, answer) in enumerate(zip(REQUESTS, single_answers, strict=True)):
        words, frames = inputs["source"].shape[1], inputs["frames"].shape[1]
        expected = model(add_mask(inputs), training=False)
        for name, array in answer.items():
            batched = batch[name][row : row + 1]
            if name != "pooled":
                batched = batched[:, :frames]
            if name == "alignments":
                np.testing.assert_array_equal(batched[..., words:], 0)
                batched = batched[..., :words]
            np.testing.assert_allclose(batched, array, atol=1e-6)
            np.testing.assert_allclose(array, expected[name], atol=1e-6)


def test_without_lengths_the_same_padding_changes_the_answer(model):
    """This shows that the test above can fail."""
    requests = [add_mask(request) for request in REQUESTS]
    batched = model(merge_like_server(requests), training=False)["pooled"][:1]
    single = model(requests[0], training=False)["pooled"]
    assert np.abs(batched - single).max() > 0.01


def test_check_names_the_signature_without_lengths(path):
    lines, problems = export.check(path)
    remarks = [line.split(": ")[-1] for line in lines if line.startswith("changes its answer")]
    assert problems == []
    assert remarks == [f"serving_default, output {n}" for n in ("alignments", "pooled", "states")]


def test_check_reports_a_signature_that_refuses_padded_requests(tmp_path):
    # The generated examples are at most 7 long, and padded to 10 by the check.
    positions = keras.ops.ones((8,))

    def add_positions(x):
        return x + keras.ops.take(positions, keras.ops.arange(keras.ops.shape(x)[1]))

    spec = export.Spec("x", (None, None), "float32")
    path = export.saved_model(None, tmp_path / "m", {"serving_default": (add_positions, [spec])})
    lines, problems = export.check(path)
    assert problems == []
    assert any(line.startswith("rejects a request that the server pads") for line in lines)


@pytest.mark.parametrize("length", [-1, 4])
def test_an_impossible_length_is_refused(path, length):
    inputs = add_lengths(REQUESTS[0])
    inputs["frames_lengths"] = np.array([length], "int32")
    message = rf"`frames_lengths` from 0 to the length of `frames`\..*\[{length}\].*length is\] \[3"
    with pytest.raises(RuntimeError, match=message):
        export.run_in_c_loader(path, "with_lengths", inputs)


def test_a_sequence_of_length_0_is_all_padding(path):
    inputs = {**add_lengths(REQUESTS[0]), "source_lengths": np.array([0], "int32")}
    answer = export.run_in_c_loader(path, "with_lengths", inputs)
    np.testing.assert_array_equal(answer["alignments"], 0)


def test_the_input_for_one_sequence_is_called_lengths_and_padding_may_be_any_value():
    spec = export.Spec("x", (None, None, 2), "float32")
    parts = (lambda x: x, [spec], ["tables"])
    function, specs, resources = export.with_lengths(parts, {"x": -1.5})
    assert [spec.name for spec in specs] == ["x", "lengths"] and resources == ["tables"]
    (signature,) = collect_signatures(None, {"serving_default": (function, specs)})
    import tensorflow as tf

    outputs = signature.compute_outputs(tf.ones((2, 3, 2)), tf.constant([1, 3]))["output"]
    assert outputs[..., 0].numpy().tolist() == [[1, -1.5, -1.5], [1, 1, 1]]
