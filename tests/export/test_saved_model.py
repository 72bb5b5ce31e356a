"""`saved_model`: files, signatures, outputs, versions and errors of an export."""

import keras
import numpy as np
import pytest

from keras_attention import export
from keras_attention.export.checks.c_loader.signatures import select_for_clients
from keras_attention.export.checks.fresh_process import run_calls
from keras_attention.export.checks.graph import load_meta_graph
from keras_attention.export.requests import warmup


def list_names(directory):
    return sorted(entry.name for entry in directory.iterdir())


def pad_rows(rows, time):
    return np.array([[*row, *[0] * (time - len(row))] for row in rows], "int32")


def test_the_first_version_is_1_and_holds_the_files_of_a_server(translator_export):
    *_, path = translator_export
    assert path.name == "1"
    assert list_names(path.parent) == ["1"]
    assert {"saved_model.pb", "variables", "assets.extra"} <= set(list_names(path))


def test_signatures_have_the_names_dtypes_and_unknown_dimensions_of_the_model(translator_export):
    *_, path = translator_export
    signatures = load_meta_graph(path).signature_def

    def describe(infos):
        return {
            name: (info.dtype, [dim.size for dim in info.tensor_shape.dim])
            for name, info in infos.items()
        }

    assert select_for_clients(signatures).keys() == {"encode", "serving_default"}
    default, encode = signatures["serving_default"], signatures["encode"]
    assert describe(default.inputs) == {"source": (3, [-1, -1]), "target": (3, [-1, -1])}
    assert describe(default.outputs) == {"logits": (1, [-1, -1, 11]), "summary": (1, [-1, 7])}
    assert describe(encode.inputs) == {"source": (3, [-1, -1])}
    assert describe(encode.outputs) == {"output": (1, [-1, 7])}


def test_batches_and_lengths_that_are_not_in_the_examples_give_the_models_outputs(
    translator_export,
):
    model, _, path = translator_export
    source, target = pad_rows([[1, 2, 3], [4, 5]], 3), pad_rows([[6], [7]], 1)
    short = {"source": pad_rows([[4, 5]], 2), "target": pad_rows([[7]], 1)}
    batch = {"source": source, "target": target}
    longer = {"source": pad_rows([[9, 8]], 13), "target": pad_rows([[3, 1]], 11)}
    calls = [("serving_default", inputs) for inputs in (batch, short, longer)]
    answers = run_calls(path, [*calls, ("encode", {"source": source})])
    for (_, inputs), answer in zip(calls, answers[:3], strict=True):
        expected = model(inputs, training=False)
        assert answer.keys() == {"logits", "summary"}
        for name, array in answer.items():
            np.testing.assert_allclose(array, expected[name], rtol=1e-5, atol=1e-6)
    # The graph contains the mask: padding in a batch does not change the answer.
    np.testing.assert_allclose(answers[0]["logits"][1:], answers[1]["logits"], atol=1e-6)
    np.testing.assert_allclose(answers[3]["output"], answers[0]["summary"], atol=1e-6)


def test_every_weight_is_stored_once(translator_export):
    import tensorflow as tf

    model, _, path = translator_export
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
    assert list_names(tmp_path / "m") == ["4", "5"]


def test_a_model_compiled_with_xla_is_served_without_xla(tmp_path):
    model = keras.Sequential([keras.Input((3,), name="x"), keras.layers.Dense(2)])
    model.compile("sgd", "mse", jit_compile=True)
    model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    assert model.jit_compile
    path = export.saved_model(model, tmp_path / "dense")
    answer = export.run_in_c_loader(path, "serving_default", {"x": np.ones((1, 3), "float32")})
    np.testing.assert_allclose(answer["output"], model(np.ones((1, 3))), rtol=1e-5)


def test_a_bfloat16_model_is_exported_and_answers_in_bfloat16(tmp_path):
    inputs = keras.Input((None, 5), name="x")
    hidden = keras.layers.LSTM(7, dtype="mixed_bfloat16")(inputs)
    model = keras.Model(inputs, hidden)
    path = export.saved_model(model, tmp_path / "half")
    x = np.ones((2, 3, 5), "float32")
    answer = export.run_in_c_loader(path, "serving_default", {"x": x})["output"]
    assert answer.dtype.name == "bfloat16"
    expected = keras.ops.convert_to_numpy(keras.ops.cast(model(x), "float32"))
    np.testing.assert_allclose(answer.astype("float32"), expected, atol=0.01)


def test_more_warm_up_requests_than_a_server_accepts_are_refused(tmp_path, monkeypatch):
    assert warmup.MAX_REQUESTS == 1000
    monkeypatch.setattr(warmup, "MAX_REQUESTS", 1)
    model = keras.Sequential([keras.Input((1,), name="x"), keras.layers.Rescaling(2.0)])
    with pytest.raises(ValueError, match="at most 1 .* Received: 2"):
        export.saved_model(model, tmp_path / "m")
    assert list_names(tmp_path) == []


@pytest.mark.parametrize("name", ["m/1", "m/007", "m/1/", "m/link"])
def test_a_version_directory_is_refused_as_the_models_directory(tmp_path, name):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "link").symlink_to(tmp_path / "m" / "1")
    model = keras.Sequential([keras.Input((1,), name="x"), keras.layers.Rescaling(2.0)])
    with pytest.raises(ValueError, match="`directory` .*saved_models/name.*directory='.*/m/"):
        export.saved_model(model, f"{tmp_path}/{name}")
    assert list_names(tmp_path / "m") == ["link"]


def test_a_model_is_not_written_into_another_model(tmp_path):
    (tmp_path / "saved_model.pb").write_text("")
    with pytest.raises(ValueError, match="`directory`"):
        export.saved_model(None, tmp_path)
    assert list_names(tmp_path) == ["saved_model.pb"]


@pytest.mark.parametrize("directory", [None, 3])
def test_a_directory_that_is_not_a_path_is_refused(directory):
    with pytest.raises(ValueError, match=f"`directory` to be a path.*directory={directory}"):
        export.saved_model(None, directory)
