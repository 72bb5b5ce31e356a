import keras
import numpy as np
import pytest

from keras_attention import export
from keras_attention.export.checks.fresh_process import run_calls
from keras_attention.export.checks.graph import read
from keras_attention.export.requests import warmup


def contents(directory):
    return sorted(entry.name for entry in directory.iterdir())


def padded(rows, time):
    return np.array([[*row, *[0] * (time - len(row))] for row in rows], "int32")


def test_the_first_version_is_1_and_holds_what_a_server_reads(exported):
    *_, path = exported
    assert path.name == "1"
    assert contents(path.parent) == ["1"]
    assert {"saved_model.pb", "variables", "assets.extra"} <= set(contents(path))


def test_signatures_have_the_models_names_dtypes_and_free_dimensions(exported):
    *_, path = exported
    signatures = read(path).signature_def

    def described(infos):
        return {
            name: (info.dtype, [dim.size for dim in info.tensor_shape.dim])
            for name, info in infos.items()
        }

    assert {name for name in signatures if not name.startswith("__")} == {
        "encode",
        "serving_default",
    }
    default, encode = signatures["serving_default"], signatures["encode"]
    assert described(default.inputs) == {"source": (3, [-1, -1]), "target": (3, [-1, -1])}
    assert described(default.outputs) == {"logits": (1, [-1, -1, 11]), "summary": (1, [-1, 7])}
    assert described(encode.inputs) == {"source": (3, [-1, -1])}
    assert described(encode.outputs) == {"output": (1, [-1, 7])}


def test_other_batches_and_lengths_than_the_examples_give_the_models_outputs(exported):
    model, _, path = exported
    source, target = padded([[1, 2, 3], [4, 5]], 3), padded([[6], [7]], 1)
    short = {"source": padded([[4, 5]], 2), "target": padded([[7]], 1)}
    batch = {"source": source, "target": target}
    longer = {"source": padded([[9, 8]], 13), "target": padded([[3, 1]], 11)}
    calls = [("serving_default", inputs) for inputs in (batch, short, longer)]
    answers = run_calls(path, [*calls, ("encode", {"source": source})])
    for (_, inputs), answer in zip(calls, answers[:3], strict=True):
        own = model(inputs, training=False)
        assert answer.keys() == {"logits", "summary"}
        for name, array in answer.items():
            np.testing.assert_allclose(array, own[name], rtol=1e-5, atol=1e-6)
    # The mask is in the graph: padding in a batch changes nothing.
    np.testing.assert_allclose(answers[0]["logits"][1:], answers[1]["logits"], atol=1e-6)
    np.testing.assert_allclose(answers[3]["output"], answers[0]["summary"], atol=1e-6)


def test_every_weight_is_stored_once(exported):
    import tensorflow as tf

    model, _, path = exported
    stored = tf.train.list_variables(str(path / "variables" / "variables"))
    sizes = [int(np.prod(shape)) for name, shape in stored if "VARIABLE_VALUE" in name]
    assert sorted(sizes) == sorted(int(np.prod(weight.shape)) for weight in model.weights)
    bytes_stored = (path / "variables" / "variables.data-00000-of-00001").stat().st_size
    assert 4 * model.count_params() <= bytes_stored < 5 * model.count_params() + 1000


def test_the_next_export_is_the_next_version(tmp_path):
    model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Rescaling(2.0)])
    (tmp_path / "m" / "4").mkdir(parents=True)
    path = export.saved_model(model, str(tmp_path / "m"))
    assert path == tmp_path / "m" / "5"
    assert contents(tmp_path / "m") == ["4", "5"]


def test_a_model_compiled_with_xla_serves_without(tmp_path):
    model = keras.Sequential([keras.Input((3,), name="x"), keras.layers.Dense(2)])
    model.compile("sgd", "mse", jit_compile=True)
    model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    assert model.jit_compile
    path = export.saved_model(model, tmp_path / "dense")
    answer = export.run_in_c_loader(path, "serving_default", {"x": np.ones((1, 3), "float32")})
    np.testing.assert_allclose(answer["output"], model(np.ones((1, 3))), rtol=1e-5)


def test_a_bfloat16_model_passes_and_answers_in_bfloat16(tmp_path):
    inputs = keras.Input((None, 5), name="x")
    hidden = keras.layers.LSTM(7, dtype="mixed_bfloat16")(inputs)
    model = keras.Model(inputs, hidden)
    path = export.saved_model(model, tmp_path / "half")
    x = np.ones((2, 3, 5), "float32")
    answer = export.run_in_c_loader(path, "serving_default", {"x": x})["output"]
    assert answer.dtype.name == "bfloat16"
    own = keras.ops.convert_to_numpy(keras.ops.cast(model(x), "float32"))
    np.testing.assert_allclose(answer.astype("float32"), own, atol=0.01)


def test_more_warm_up_requests_than_a_server_takes_are_refused(tmp_path, monkeypatch):
    assert warmup.MOST == 1000
    monkeypatch.setattr(warmup, "MOST", 1)
    model = keras.Sequential([keras.Input((1,), name="x"), keras.layers.Rescaling(2.0)])
    with pytest.raises(ValueError, match="at most 1 .* Received: 2"):
        export.saved_model(model, tmp_path / "m")
    assert contents(tmp_path) == []


@pytest.mark.parametrize("name", ["m/1", "m/007", "m/1/", "m/link"])
def test_a_version_is_no_place_for_versions(tmp_path, name):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "link").symlink_to(tmp_path / "m" / "1")
    model = keras.Sequential([keras.Input((1,), name="x"), keras.layers.Rescaling(2.0)])
    with pytest.raises(ValueError, match="`directory` .*saved_models/name.*directory='.*/m/"):
        export.saved_model(model, f"{tmp_path}/{name}")
    assert contents(tmp_path / "m") == ["link"]


def test_a_model_is_not_written_into_another(tmp_path):
    (tmp_path / "saved_model.pb").write_text("")
    with pytest.raises(ValueError, match="`directory`"):
        export.saved_model(None, tmp_path)
    assert contents(tmp_path) == ["saved_model.pb"]


@pytest.mark.parametrize("directory", [None, 3])
def test_what_is_no_path_is_refused(directory):
    with pytest.raises(ValueError, match=f"`directory` to be a path.*directory={directory}"):
        export.saved_model(None, directory)
