import keras
import numpy as np
import pytest

from keras_attention import export
from keras_attention.export.checks import graph as graph_check
from keras_attention.export.checks.outputs import _difference

X = keras.InputSpec(shape=(None, 2), dtype="float32", name="x")


def after_writing(monkeypatch, spoil):
    """Does something to the model or to the files between the writing and the check."""
    check = graph_check.check
    monkeypatch.setattr(graph_check, "check", lambda path: (check(path), spoil(path)))


def refused(directory, match, **arguments):
    with pytest.raises(export.SelfCheckError, match=match):
        export.saved_model(arguments.pop("model", None), directory, **arguments)
    assert list(directory.iterdir()) == []


def test_an_export_with_another_weight_is_refused_with_both_values(tmp_path, monkeypatch):
    model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Dense(1)])
    kernel, bias = model.weights
    kernel.assign([[1.0], [1.0]])
    after_writing(monkeypatch, lambda path: bias.assign([0.5]))
    refused(
        tmp_path,
        r"signature 'serving_default', output 'output', .*\{'x': \(1, 2\)\}: 1 of 1 values, the "
        r"largest difference 0.5 at \(0, 0\): 3.0 in place of 3.5",
        model=model,
        example={"x": [[1.0, 2.0]]},
    )


def test_an_export_that_has_lost_its_weights_is_refused(tmp_path, monkeypatch):
    model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Dense(1)])
    after_writing(monkeypatch, lambda path: (path / "variables" / "variables.index").unlink())
    refused(tmp_path, "does not run outside Python.* Could not find variable", model=model)


def test_a_random_signature_is_refused_and_told_why(tmp_path):
    import tensorflow as tf

    def draw(x):
        return {"drawn": x + tf.random.uniform(tf.shape(x))}

    refused(
        tmp_path,
        "output 'drawn'.*Only a SeedGenerator's random numbers",
        signatures={"serving_default": (draw, [X])},
    )


def test_draws_of_a_seed_generator_are_reproduced(tmp_path):
    seed = keras.random.SeedGenerator(3)

    def draw(x):
        return x + keras.random.normal((5,), seed=seed)[0]

    path = export.saved_model(None, tmp_path, {"serving_default": (draw, [X])})
    assert path.name == "1"


def test_a_number_that_python_froze_into_the_graph_is_refused(tmp_path):
    def frozen(x):
        return x * len(x) if isinstance(x.shape[0], int) else x * 4

    refused(tmp_path, "in place of", signatures={"serving_default": (frozen, [X])})


def test_ctrl_c_during_the_check_leaves_nothing(tmp_path, monkeypatch):
    model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Rescaling(2.0)])

    def interrupt(path):
        raise KeyboardInterrupt

    after_writing(monkeypatch, interrupt)
    with pytest.raises(KeyboardInterrupt):
        export.saved_model(model, tmp_path)
    assert list(tmp_path.iterdir()) == []


def values(*values, dtype="float32"):
    return np.array(values, dtype)


@pytest.mark.parametrize(
    "served, own, half",
    [
        (values(100.009), values(100.0), False),
        (values(9e-6), values(0.0), False),
        (values(np.nan, np.inf), values(np.nan, np.inf), False),
        (values(1.04), values(1.0), True),
        (values(0.04, 1.0, dtype="float16"), values(0.0, 1.0, dtype="float16"), True),
        (values(1 + 1.00009j, dtype="complex64"), values(1 + 1j, dtype="complex64"), False),
        (np.zeros((0, 3)), np.zeros((0, 3)), True),
        (np.array(b"a", object), np.array(b"a", object), False),
    ],
)
def test_what_differs_by_rounding_alone_is_the_same(served, own, half):
    assert _difference(served, own, half) is None


@pytest.mark.parametrize(
    "served, own, half, said",
    [
        (values(100.02), values(100.0), False, "1 of 1 values, the largest difference 0.02"),
        (values(2e-5), values(0.0), False, "2e-05"),
        (values(1.0, np.nan), values(1.0, 2.0), False, "inf at (1,): nan in place of 2.0"),
        (values(np.inf, 1.0), values(np.inf, 2.0), False, "1 at (1,): 1.0 in place of 2.0"),
        (values(1.06), values(1.0), True, "0.06"),
        (values(2, dtype="bfloat16"), values(1, dtype="bfloat16"), True, "1 at (0,)"),
        (values(1 + 3j, dtype="complex64"), values(1 + 1j, dtype="complex64"), False, "2 at (0,)"),
        (values(8, dtype="int64"), values(7, dtype="int64"), False, "largest difference 1 at"),
        (values(1, 0, dtype="bool"), values(1, 1, dtype="bool"), False, "1 of 2 values"),
        (values("a", "c", dtype=object), values("a", "b", dtype=object), False, "c in place of b"),
        (values(1), values(1, dtype="float64"), False, "float32 (1,) in place of float64 (1,)"),
        (values(1), values(1, 1), False, "float32 (1,) in place of float32 (2,)"),
        (None, values(1), False, "missing in the export"),
        (values(1), None, False, "missing in the model"),
    ],
)
def test_what_differs_is_said(served, own, half, said):
    assert said in _difference(served, own, half)
