"""A signature of `with_lengths` is refused if padding changes the model's answer."""

import keras
import numpy as np
import pytest

import keras_attention
from keras_attention import export
from keras_attention.export.checks.model_outputs import compute_expected_outputs, compute_outputs
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


class DivideByLongest(LAYERS.Layer):
    """Divides by the length of the longest sequence of a batch."""

    supports_masking = True

    def call(self, inputs, mask=None):
        steps = keras.ops.sum(keras.ops.cast(mask, inputs.dtype), 1)
        masked = keras.ops.where(mask[..., None], inputs, 0.0)
        return keras.ops.sum(masked, 1) / keras.ops.max(steps)

    def compute_output_spec(self, inputs, mask=None):
        return keras.KerasTensor((inputs.shape[0], inputs.shape[2]))


class LastStep(LAYERS.Layer):
    def call(self, inputs):
        return inputs[:, -1]


PROMISE_BROKEN = {
    "LSTM without a mask": lambda: make_model(LAYERS.LSTM(4)),
    "attention without a mask": lambda: make_model(keras_attention.AttentionPooling()),
    "maximum over the padding": lambda: make_model(LAYERS.GlobalMaxPooling1D(), mask_zero=True),
    "mean over the padding": lambda: make_model(LAYERS.GlobalAveragePooling1D(), ids=False),
    "convolution": lambda: make_model(LAYERS.Conv1D(2, 3, padding="same"), mask_zero=True),
    "lengths of other rows": lambda: make_model(DivideByLongest(), mask_zero=True),
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


@pytest.mark.parametrize("mask_zero", [False, True])
def test_a_signature_with_seed_and_lengths_is_checked(tmp_path, mask_zero):
    model = make_model(LAYERS.Dropout(0.1, seed=1), LAYERS.LSTM(2), mask_zero=mask_zero)
    sample = export.with_seed(export.with_lengths(model, {"w": 0}))
    if mask_zero:
        assert export.saved_model(model, tmp_path / "m", {"serving_default": sample}).name == "1"
        return
    with pytest.raises(export.SelfCheckError, match="padding beyond .*'serving_default'"):
        export.saved_model(model, tmp_path / "m", {"serving_default": sample})


@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask")
def test_padding_is_found_whatever_the_weights_are():
    model = make_model(LAYERS.GlobalMaxPooling1D(), mask_zero=True)
    collected = collect_signatures(None, {"serving_default": export.with_lengths(model, {"w": 0})})
    trials = make_padding_trials(make_calls(collected, None))
    for seed in range(25):
        keras.utils.set_random_seed(seed)
        model.set_weights([np.random.default_rng(seed).normal(size=(WORDS, 4))])
        assert any(
            not np.allclose(
                compute_outputs(trial.padded)["output"],
                np.concatenate([compute_expected_outputs(one)["output"] for one in trial.requests]),
            )
            for trial in trials
        ), seed


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
    trial, *_ = make_trials(lambda w, f: f[..., 0] * keras.ops.cast(w, f.dtype), [w, f], {"w": 0})
    (request,), padded = [one.inputs for one in trial.requests], trial.padded.inputs
    rows = len(padded["w"])
    assert request["w"].shape == (rows, 4) and request["f"].shape == (rows, 4, 2)
    assert padded["w"].shape == (rows, 7) and padded["f"].shape == (rows, 7, 2)
    assert request["lengths"].tolist() == padded["lengths"].tolist() == [4] * rows
    assert set(np.unique(padded["w"])) == {1, 2, 3, 4}
    np.testing.assert_array_equal(padded["w"][:, :4], request["w"])


def test_a_trial_has_rows_of_different_lengths_each_of_which_is_a_request():
    w = export.Spec("w", (None, "n"), "int32", below=5)
    f = export.Spec("f", ("batch", "n", 2), "float32")
    *_, trial = make_trials(lambda w, f: f[..., 0] * keras.ops.cast(w, f.dtype), [w, f], {"w": 0})
    padded = trial.padded.inputs
    assert padded["lengths"].tolist() == [7, 5, 3, 1]
    for row, request in enumerate(trial.requests):
        size = padded["lengths"][row]
        assert request.inputs["lengths"] == [size]
        for name in ("w", "f"):
            np.testing.assert_array_equal(request.inputs[name][0], padded[name][row, :size])


def test_rows_along_another_axis_than_the_batch_are_not_separated():
    spec = export.Spec("w", (2, None), "int32")
    trials = make_trials(lambda w: w, [spec], {"w": 0})
    assert [one.padded.inputs["w"].shape for one in trials] == [(2, 7), (2, 7)]
    assert [one.requests[0].inputs["w"].shape for one in trials] == [(2, 4), (2, 1)]


def test_a_trial_uses_only_the_real_steps_of_an_example():
    spec = export.Spec("w", (None, None), "string")
    example = {"w": np.array([["a", "b", "x"], ["c", "x", "x"]], object), "lengths": [2, 1]}
    example["lengths"] = np.int32(example["lengths"])
    trial, *_ = make_trials(lambda w: w, [spec], {"w": ""}, example)
    assert set(trial.padded.inputs["w"].flat) == {b"a", b"b", b"c"}
    assert trial.requests[0].inputs["w"].shape[1:] == (2,)


def test_a_sequence_of_fixed_length_is_not_padded():
    assert make_trials(lambda w: w, [export.Spec("w", (None, 4), "int32")], {"w": 0}) == []


def test_a_model_that_accepts_no_other_length_is_reported():
    def take_seven(w):
        return keras.ops.reshape(w, (-1, 7))

    spec = export.Spec("w", (None, None), "float32")
    example = {"w": np.ones((1, 7), "float32"), "lengths": np.int32([7])}
    with pytest.warns(UserWarning, match="was not checked.*Received: .*reshape") as warnings:
        assert make_trials(take_seven, [spec], {"w": 0.0}, example) == []
    assert len(warnings) == 1 and warnings[0].filename == __file__


def test_the_warning_about_missing_trials_names_the_line_that_exports(tmp_path):
    spec = export.Spec("w", (None, None), "float32")
    signature = export.with_lengths((lambda w: keras.ops.reshape(w, (-1, 7)), [spec]), {"w": 0.0})
    example = {"w": np.ones((1, 7), "float32"), "lengths": np.int32([7])}
    with pytest.warns(UserWarning, match="was not checked") as warnings:
        export.saved_model(None, tmp_path / "m", {"serving_default": signature}, example)
    assert warnings[0].filename == __file__


def test_the_self_check_fills_the_padding_in_another_way(tmp_path, monkeypatch):
    from keras_attention.export.signatures import lengths

    monkeypatch.setattr(lengths, "_fill_padding", lambda sequence, mask, padding: sequence)
    model = make_model(LAYERS.GRU(3), mask_zero=True)
    with pytest.raises(export.SelfCheckError, match="differs from the model"):
        export.saved_model(
            model, tmp_path / "m", {"serving_default": export.with_lengths(model, {"w": 0})}
        )
