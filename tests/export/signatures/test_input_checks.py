"""Checks in the graph refuse inputs that TensorFlow would broadcast or wrap around."""

import keras
import numpy as np
import pytest

from keras_attention import export
from keras_attention.export.checks.fresh_process import run_calls
from keras_attention.export.checks.graph import load_meta_graph
from keras_attention.export.signatures.signature import collect_signatures


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """An export with two signatures: one with named sizes and ids below 5, one with two batches."""
    embedding = keras.layers.Embedding(5, 2)
    embedding.build()
    words = export.Spec("words", (None, "length"), "int32", below=5)
    mask = export.Spec("mask", (None, "length"), "bool")
    unused = keras.InputSpec(shape=(None, 2), dtype="float32", name="unused")

    def sum_words(words, mask, unused):
        weights = keras.ops.cast(mask, "float32")[..., None]
        return {"sum": keras.ops.sum(embedding(words) * weights, axis=1)}

    points = [export.Spec(name, (name, 2), "float32", finite=name == "a") for name in "ab"]
    return export.saved_model(
        None,
        tmp_path_factory.mktemp("models") / "m",
        {
            "serving_default": (sum_words, [words, mask, unused]),
            "distances": (lambda a, b: {"d": a[:, None] - b[None]}, points),
        },
    )


def make_inputs(words=(2, 3), mask=(2, 3), unused=(2, 2), word=1, number=1):
    return {
        "words": np.full(words, word, "int32"),
        "mask": np.ones(mask, bool),
        "unused": np.full(unused, number, "float32"),
    }


def test_inputs_of_equal_sizes_are_accepted(path):
    answers = run_calls(
        path,
        [
            ("serving_default", make_inputs(words=(b, t), mask=(b, t), unused=(b, 2)))
            for b, t in ((1, 1), (4, 9), (0, 3))
        ],
    )
    assert [answer["sum"].shape for answer in answers] == [(1, 2), (4, 2), (0, 2)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mask": (1, 3)}, "same size `batch`. .*words.*2 3.*mask.*1 3"),
        ({"unused": (1, 2)}, "same size `batch`. .*unused.*1 2"),
        ({"mask": (2, 1)}, "same size `length`. .*words.*2 3.*mask.*2 1"),
        ({"mask": (2,)}, r"mask.* \[2\] is not compatible with expected shape \[\?,\?\]"),
        ({"words": (2, 3, 1)}, r"words.* \[2,3,1\] is not compatible"),
        ({"unused": (2, 3)}, r"unused.* \[2,3\] is not compatible with expected shape \[\?,2\]"),
        ({"word": -1}, "values of `words` to be ids from 0 to 4. Received:.*-1"),
        ({"word": 5}, "values of `words` to be ids from 0 to 4. Received:.*5"),
        ({"number": np.nan}, "finite numbers in `unused`"),
        ({"number": -np.inf}, "finite numbers in `unused`"),
    ],
    ids=str,
)
def test_mismatched_inputs_are_refused_with_their_names(path, changes, message):
    with pytest.raises(RuntimeError, match=message):
        export.run_in_c_loader(path, "serving_default", make_inputs(**changes))


@pytest.mark.parametrize(
    ("dtype", "below", "valid", "invalid"),
    [
        ("uint8", 255, 254, 255),
        ("uint8", 256, 255, None),
        ("int32", 2**40, 2**31 - 1, -1),
        ("int8", 127, 126, 127),
        ("int64", 2**40, 2**40 - 1, 2**40),
    ],
)
def test_below_may_be_more_than_the_dtype_can_hold(dtype, below, valid, invalid):
    import tensorflow as tf

    spec = export.Spec("x", (None,), dtype, below=below)
    (signature,) = collect_signatures(None, {"serving_default": (lambda x: x, [spec])})
    assert signature.compute_outputs(tf.constant([valid], dtype))["output"].numpy() == [valid]
    if invalid is not None:
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"ids from 0 to {below - 1}"):
            signature.compute_outputs(tf.constant([invalid], dtype))


def test_first_dimensions_of_different_names_may_differ(path):
    a, b = np.ones((3, 2), "float32"), np.ones((5, 2), "float32")
    assert export.run_in_c_loader(path, "distances", {"a": a, "b": b})["d"].shape == (3, 5, 2)


def test_a_spec_may_allow_numbers_that_are_not_finite(path):
    a, b = np.ones((3, 2), "float32"), np.full((5, 2), np.nan, "float32")
    assert np.isnan(export.run_in_c_loader(path, "distances", {"a": a, "b": b})["d"]).all()
    with pytest.raises(RuntimeError, match="finite numbers in `a`"):
        export.run_in_c_loader(path, "distances", {"a": b, "b": a})


def test_the_inputs_of_a_functional_model_must_have_equal_batch_sizes(translator_export):
    *_, path = translator_export
    inputs = {"source": np.ones((1, 2), "int32"), "target": np.ones((3, 2), "int32")}
    with pytest.raises(RuntimeError, match="same size `batch`. .*source.*1 2.*target.*3 2"):
        export.run_in_c_loader(path, "serving_default", inputs)


def test_a_single_input_has_no_size_check(translator_export):
    *_, path = translator_export  # one of its two signatures, `encode`, has a single input
    graph = load_meta_graph(path).graph_def.SerializeToString()
    assert graph.count(b"Expected inputs with the same size") == 1


@pytest.mark.parametrize(
    "spec",
    [
        export.Spec("x", (None, 2.5), "float32"),
        export.Spec("x", (None,), "int32", below=0),
        export.Spec("x", (None,), "int32", below=True),
        export.Spec("x", (None,), "float32", below=2),
        export.Spec("x", (None,), "bool", below=2),
        export.Spec("x", (None,), "string", below=2),
        export.Spec("x", None, "int32"),
        export.Spec("x", (None,), None),
        export.Spec("x", (None,), "no"),
        export.Spec("", (None,), "int32"),
    ],
    ids=str,
)
def test_an_invalid_spec_is_refused(spec):
    with pytest.raises(ValueError, match="inputs of signature 'serving_default' as .*Received: Sp"):
        collect_signatures(None, {"serving_default": (lambda x: x, [spec])})


@pytest.mark.parametrize(
    "changes",
    [
        {"at_most": 3},
        {"at_most": {"length": 0}},
        {"at_most": {"length": True}},
        {"at_most": {"other": 3}},
        {"below": ""},
        {"below": "other"},
    ],
    ids=str,
)
def test_invalid_limits_are_refused(changes):
    spec = export.Spec("x", (None, "length"), "int32")._replace(**changes)
    with pytest.raises(ValueError, match="signature 'serving_default'.*Received: "):
        collect_signatures(None, {"serving_default": (lambda x: x, [spec])})


def test_sizes_beyond_a_limit_and_full_caches_are_refused(tmp_path):
    keys = export.Spec("keys", (None, "slots", 2), "float32", at_most={"slots": 4, "batch": 2})
    position = export.Spec("position", (None,), "uint8", below="slots")

    def step(keys, position):
        return {"key": keras.ops.take_along_axis(keys, position[:, None, None], axis=1)}

    path = export.saved_model(None, tmp_path / "m", {"serving_default": (step, [keys, position])})

    def call(slots, position):
        keys = np.ones((len(position), slots, 2), "float32")
        inputs = {"keys": keys, "position": np.uint8(position)}
        return export.run_in_c_loader(path, "serving_default", inputs)

    assert call(4, [3, 0])["key"].shape == (2, 1, 2)
    with pytest.raises(RuntimeError, match="size `slots` to be at most 4. .*keys.*1 5 2"):
        call(5, [0])
    with pytest.raises(RuntimeError, match="size `batch` to be at most 2. .*keys.*3 4 2"):
        call(4, [0, 0, 0])
    with pytest.raises(RuntimeError, match="`position` to be .* the size `slots`. .*3.*size is.*3"):
        call(3, [2, 3])
