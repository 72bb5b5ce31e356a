"""A signature of `with_lengths` is refused if padding changes the model's answer."""

import keras
import numpy as np
import pytest

import keras_attention
from keras_attention import export
from keras_attention.export.checks.padding_trials import make_padding_trials
from keras_attention.export.requests.examples import make_calls
from keras_attention.export.signatures.signature import collect_signatures

LAYERS = keras.layers
WORDS = 20


def make_model(*layers, ids=True, mask_zero=False):
    keras.utils.set_random_seed(0)
    inputs = (
        keras.Input((None,), dtype="int32", name="w") if ids else keras.Input((None, 3), name="w")
    )
    x = LAYERS.Embedding(WORDS, 4, mask_zero=mask_zero)(inputs) if ids else inputs
    for layer in layers:
        x = layer(x)
    return keras.Model(inputs, x)


class LastStep(LAYERS.Layer):
    def call(self, inputs):
        return inputs[:, -1]


PROMISE_BROKEN = {
    "LSTM without a mask": lambda: make_model(LAYERS.LSTM(4)),
    "attention without a mask": lambda: make_model(keras_attention.AttentionPooling()),
    "maximum over the padding": lambda: make_model(LAYERS.GlobalMaxPooling1D(), mask_zero=True),
    "mean over the padding": lambda: make_model(LAYERS.GlobalAveragePooling1D(), ids=False),
    "convolution": lambda: make_model(LAYERS.Conv1D(2, 3, padding="same"), mask_zero=True),
    "last step": lambda: make_model(LastStep(), mask_zero=True),
    "reversed steps": lambda: make_model(LAYERS.GRU(3, go_backwards=True, return_sequences=True)),
}


@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask")
@pytest.mark.parametrize("kind", PROMISE_BROKEN)
def test_a_model_whose_answer_depends_on_the_padding_is_refused(kind, tmp_path):
    model = PROMISE_BROKEN[kind]()
    signatures = {"serving_default": export.with_lengths(model, {"w": 0})}
    with pytest.raises(
        export.SelfCheckError, match=r"padding beyond .*'serving_default'.*mask_zero"
    ):
        export.saved_model(model, tmp_path / "m", signatures)
    assert not (tmp_path / "m").exists()


def make_examples():
    rng = np.random.default_rng(0)
    return {"w": rng.integers(1, WORDS, (2, 6)).astype("int32"), "lengths": np.int32([4, 2])}


@pytest.mark.parametrize("example", [None, make_examples()], ids=["made up", "given"])
def test_a_model_that_ignores_the_padding_is_exported(example, tmp_path):
    gru = LAYERS.Bidirectional(LAYERS.GRU(2, return_sequences=True))
    model = make_model(gru, keras_attention.AttentionPooling(name="pool"), mask_zero=True)
    signatures = {
        "serving_default": export.with_lengths(model, {"w": 0}),
        "attention": export.with_lengths(export.attention_of(model), {"w": 0}),
    }
    path = export.saved_model(model, tmp_path / "m", signatures, example)
    assert path.name == "1"


def make_trials(function, specs, sequences, example=None):
    signature = export.with_lengths((function, specs), sequences)
    collected = collect_signatures(None, {"serving_default": signature})
    return make_padding_trials(make_calls(collected, example))


def test_a_trial_draws_ids_below_the_limit_and_pads_inputs_of_the_same_size():
    w = export.Spec("w", (None, "n"), "int32", below=5)
    f = export.Spec("f", ("batch", "n", 2), "float32")
    (trial,) = make_trials(lambda w, f: f[..., 0] * keras.ops.cast(w, f.dtype), [w, f], {"w": 0})
    request, padded = trial.request.inputs, trial.padded.inputs
    assert request["w"].shape == (3, 4) and request["f"].shape == (3, 4, 2)
    assert padded["w"].shape == (3, 7) and padded["f"].shape == (3, 7, 2)
    assert request["lengths"].tolist() == padded["lengths"].tolist() == [4, 4, 4]
    assert set(np.unique(padded["w"])) == {1, 2, 3, 4}
    np.testing.assert_array_equal(padded["w"][:, :4], request["w"])


def test_a_trial_uses_only_the_real_steps_of_an_example():
    spec = export.Spec("w", (None, None), "string")
    example = {"w": np.array([["a", "b", "x"], ["c", "x", "x"]], object), "lengths": [2, 1]}
    example["lengths"] = np.int32(example["lengths"])
    (trial,) = make_trials(lambda w: w, [spec], {"w": ""}, example)
    assert set(trial.padded.inputs["w"].flat) == {b"a", b"b", b"c"}
    assert trial.request.inputs["w"].shape == (2, 2)


def test_a_sequence_of_fixed_length_is_not_padded():
    assert make_trials(lambda w: w, [export.Spec("w", (None, 4), "int32")], {"w": 0}) == []


def test_a_model_that_accepts_no_other_length_is_reported():
    def take_seven(w):
        return keras.ops.reshape(w, (-1, 7))

    spec = export.Spec("w", (None, None), "float32")
    example = {"w": np.ones((1, 7), "float32"), "lengths": np.int32([7])}
    with pytest.warns(UserWarning, match="was not checked.*Received: .*reshape"):
        assert make_trials(take_seven, [spec], {"w": 0.0}, example) == []


def test_the_self_check_fills_the_padding_in_another_way(tmp_path, monkeypatch):
    from keras_attention.export.signatures import lengths

    monkeypatch.setattr(lengths, "_fill_padding", lambda sequence, mask, padding: sequence)
    model = make_model(LAYERS.GRU(3), mask_zero=True)
    with pytest.raises(export.SelfCheckError, match="differs from the model"):
        export.saved_model(
            model, tmp_path / "m", {"serving_default": export.with_lengths(model, {"w": 0})}
        )
