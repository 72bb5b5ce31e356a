"""An export whose outputs differ from the model's is refused, and no files remain."""

import functools
import importlib
import itertools

import keras
import numpy as np
import pytest

from keras_attention import export
from keras_attention.export.checks.graph import check_graph
from keras_attention.export.checks.outputs import describe_difference

X = keras.InputSpec(shape=(None, 2), dtype="float32", name="x")


def run_after_writing(monkeypatch, change):
    """Change the model or the written files before the outputs are checked."""
    # The package's attribute `saved_model` is the function, which has the module's name.
    module = importlib.import_module("keras_attention.export.saved_model")
    monkeypatch.setattr(
        module, "check_graph", lambda path, xla: (check_graph(path, xla), change(path))
    )


def assert_refused(directory, match, **arguments):
    with pytest.raises(export.SelfCheckError, match=match):
        export.saved_model(arguments.pop("model", None), directory, **arguments)
    assert list(directory.iterdir()) == []


def test_an_export_with_a_changed_weight_is_refused_with_both_values(tmp_path, monkeypatch):
    model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Dense(1)])
    kernel, bias = model.weights
    kernel.assign([[1.0], [1.0]])
    run_after_writing(monkeypatch, lambda path: bias.assign([0.5]))
    assert_refused(
        tmp_path,
        r"signature 'serving_default', output 'output', .*\{'x': \(1, 2\)\}: 1 of 1 values, the "
        r"largest difference 0.5 at \(0, 0\): 3.0 instead of 3.5",
        model=model,
        example={"x": [[1.0, 2.0]]},
    )


def test_an_export_without_weights_is_refused(tmp_path, monkeypatch):
    model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Dense(1)])
    run_after_writing(monkeypatch, lambda path: (path / "variables" / "variables.index").unlink())
    assert_refused(tmp_path, "does not run outside Python.* Could not find variable", model=model)


def test_a_random_signature_is_refused_with_the_reason(tmp_path):
    import tensorflow as tf

    def sample(x):
        return {"sampled": x + tf.random.uniform(tf.shape(x))}

    assert_refused(
        tmp_path,
        "output 'sampled'.*only if a SeedGenerator draws them",
        signatures={"serving_default": (sample, [X])},
    )


def test_random_numbers_of_a_seed_generator_are_reproduced(tmp_path):
    seed = keras.random.SeedGenerator(3)

    def sample(x):
        return x + keras.random.normal((5,), seed=seed)[0]

    with pytest.warns(UserWarning, match="seed_generator_state"):
        path = export.saved_model(None, tmp_path, {"serving_default": (sample, [X])})
    assert path.name == "1"


def test_a_batch_size_frozen_into_the_graph_is_refused(tmp_path):
    def multiply_by_batch_size(x):
        return x * len(x) if isinstance(x.shape[0], int) else x * 4

    assert_refused(
        tmp_path, "instead of", signatures={"serving_default": (multiply_by_batch_size, [X])}
    )


def test_an_output_of_small_numbers_is_compared_too(tmp_path):
    counter = itertools.count(1)

    def count_calls(x):
        return x * 1e-6 * next(counter)

    assert_refused(tmp_path, "instead of", signatures={"serving_default": (count_calls, [X])})


def test_an_output_in_half_precision_does_not_loosen_the_tolerance_of_the_others(tmp_path):
    def add_to_one_output(x, is_exact=True):
        # The graph answers 1 % more, which only half precision would explain.
        scaled = x if tf.executing_eagerly() else 1.01 * x
        half = keras.ops.cast(scaled, "bfloat16")
        return {"half": keras.ops.cast(half, "float32"), "full": x if is_exact else scaled}

    import tensorflow as tf

    path = export.saved_model(None, tmp_path / "a", {"serving_default": (add_to_one_output, [X])})
    assert path.name == "1"
    signature = (functools.partial(add_to_one_output, is_exact=False), [X])
    (tmp_path / "b").mkdir()
    assert_refused(tmp_path / "b", "output 'full'", signatures={"serving_default": signature})


def test_ctrl_c_during_the_check_leaves_no_files(tmp_path, monkeypatch):
    model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Rescaling(2.0)])

    def interrupt(path):
        raise KeyboardInterrupt

    run_after_writing(monkeypatch, interrupt)
    with pytest.raises(KeyboardInterrupt):
        export.saved_model(model, tmp_path)
    assert list(tmp_path.iterdir()) == []


def values(*numbers, dtype="float32"):
    return np.array(numbers, dtype)


@pytest.mark.parametrize(
    "exported, expected, is_half",
    [
        (values(100.009), values(100.0), False),
        (values(1e-7), values(0.0), False),
        (values(9e-5, 10.0), values(0.0, 10.0), False),
        (values(9e-6 * 0.01, 0.01), values(0.0, 0.01), False),
        (values(np.nan, np.inf), values(np.nan, np.inf), False),
        (values(1.04), values(1.0), True),
        (values(0.04, 1.0, dtype="float16"), values(0.0, 1.0, dtype="float16"), True),
        (values(1 + 1.00009j, dtype="complex64"), values(1 + 1j, dtype="complex64"), False),
        (np.zeros((0, 3)), np.zeros((0, 3)), True),
        (np.array(b"a", object), np.array(b"a", object), False),
    ],
)
def test_differences_within_the_tolerance_are_ignored(exported, expected, is_half):
    assert describe_difference(exported, expected, is_half) is None


@pytest.mark.parametrize(
    "exported, expected, is_half, message",
    [
        (values(100.02), values(100.0), False, "1 of 1 values, the largest difference 0.02"),
        (values(2e-7), values(0.0), False, "2e-07"),
        (values(3e-6), values(1e-6), False, "2e-06"),
        (values(2e-5, 1.0), values(0.0, 1.0), False, "2e-05"),
        (values(0.5, -1e9), values(0.4, -1e9), False, "0.1 at (0,)"),
        (values(1.0, np.nan), values(1.0, 2.0), False, "inf at (1,): nan instead of 2.0"),
        (values(np.inf, 1.0), values(np.inf, 2.0), False, "1 at (1,): 1.0 instead of 2.0"),
        (values(1.06), values(1.0), True, "0.06"),
        (values(2, dtype="bfloat16"), values(1, dtype="bfloat16"), True, "1 at (0,)"),
        (values(1 + 3j, dtype="complex64"), values(1 + 1j, dtype="complex64"), False, "2 at (0,)"),
        (values(8, dtype="int64"), values(7, dtype="int64"), False, "largest difference 1 at"),
        (values(1, 0, dtype="bool"), values(1, 1, dtype="bool"), False, "1 of 2 values"),
        (values("a", "c", dtype=object), values("a", "b", dtype=object), False, "c instead of b"),
        (values(1), values(1, dtype="float64"), False, "float32 (1,) instead of float64 (1,)"),
        (values(1), values(1, 1), False, "float32 (1,) instead of float32 (2,)"),
        (None, values(1), False, "missing in the export"),
        (values(1), None, False, "missing in the model"),
    ],
)
def test_differences_are_described(exported, expected, is_half, message):
    assert message in describe_difference(exported, expected, is_half)
