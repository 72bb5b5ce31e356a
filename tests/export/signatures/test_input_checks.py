"""Inputs that TensorFlow would broadcast, wrap around or read past are refused in the graph."""

import keras
import numpy as np
import pytest

from keras_attention import export
from keras_attention.export.checks.fresh_process import run_calls
from keras_attention.export.checks.graph import nodes, read
from keras_attention.export.signatures.signature import collect


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Two signatures: two inputs of the same batch and length; the first also ids below 5."""
    embedding = keras.layers.Embedding(5, 2)
    embedding.build()
    words = export.Spec("words", (None, "length"), "int32", below=5)
    mask = export.Spec("mask", (None, "length"), "bool")
    unused = keras.InputSpec(shape=(None, 2), dtype="float32", name="unused")

    def read_words(words, mask, unused):
        weights = keras.ops.cast(mask, "float32")[..., None]
        return {"read": keras.ops.sum(embedding(words) * weights, axis=1)}

    points = [export.Spec(name, (name, 2), "float32", finite=name == "a") for name in "ab"]
    return export.saved_model(
        None,
        tmp_path_factory.mktemp("models") / "m",
        {
            "serving_default": (read_words, [words, mask, unused]),
            "distances": (lambda a, b: {"d": a[:, None] - b[None]}, points),
        },
    )


def inputs(words=(2, 3), mask=(2, 3), unused=(2, 2), word=1, number=1):
    return {
        "words": np.full(words, word, "int32"),
        "mask": np.ones(mask, bool),
        "unused": np.full(unused, number, "float32"),
    }


def test_inputs_that_agree_are_answered(path):
    answers = run_calls(
        path,
        [
            ("serving_default", inputs(**{k: (b, t) for k in ("words", "mask")}, unused=(b, 2)))
            for b, t in ((1, 1), (4, 9), (0, 3))
        ],
    )
    assert [answer["read"].shape for answer in answers] == [(1, 2), (4, 2), (0, 2)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mask": (1, 3)}, "one size `batch`. .*words.*2 3.*mask.*1 3"),
        ({"unused": (1, 2)}, "one size `batch`. .*unused.*1 2"),
        ({"mask": (2, 1)}, "one size `length`. .*words.*2 3.*mask.*2 1"),
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
def test_what_does_not_fit_is_refused_by_name(path, given, message):
    with pytest.raises(RuntimeError, match=message):
        export.run_in_c_loader(path, "serving_default", inputs(**given))


@pytest.mark.parametrize(
    ("dtype", "below", "known", "unknown"),
    [
        ("uint8", 255, 254, 255),
        ("uint8", 256, 255, None),
        ("int32", 2**40, 2**31 - 1, -1),
        ("int8", 127, 126, 127),
        ("int64", 2**40, 2**40 - 1, 2**40),
    ],
)
def test_ids_may_be_below_more_than_their_dtype_holds(dtype, below, known, unknown):
    import tensorflow as tf

    spec = export.Spec("x", (None,), dtype, below=below)
    (signature,) = collect(None, {"serving_default": (lambda x: x, [spec])})
    assert signature.outputs(tf.constant([known], dtype))["output"].numpy() == [known]
    if unknown is not None:
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"ids from 0 to {below - 1}"):
            signature.outputs(tf.constant([unknown], dtype))


def test_a_first_size_of_another_name_is_no_batch(path):
    a, b = np.ones((3, 2), "float32"), np.ones((5, 2), "float32")
    assert export.run_in_c_loader(path, "distances", {"a": a, "b": b})["d"].shape == (3, 5, 2)


def test_numbers_need_not_be_finite_where_the_spec_says_so(path):
    a, b = np.ones((3, 2), "float32"), np.full((5, 2), np.nan, "float32")
    assert np.isnan(export.run_in_c_loader(path, "distances", {"a": a, "b": b})["d"]).all()
    with pytest.raises(RuntimeError, match="finite numbers in `a`"):
        export.run_in_c_loader(path, "distances", {"a": b, "b": a})


def test_a_functional_models_own_inputs_must_be_equally_many(exported):
    *_, path = exported
    unlike = {"source": np.ones((1, 2), "int32"), "target": np.ones((3, 2), "int32")}
    with pytest.raises(RuntimeError, match="one size `batch`. .*source.*1 2.*target.*3 2"):
        export.run_in_c_loader(path, "serving_default", unlike)


def test_one_input_alone_has_nothing_to_agree_with(exported):
    *_, path = exported  # of its two signatures, `encode` has one input
    assert sum(node.op == "Assert" for node in nodes(read(path).graph_def)) == 1


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
def test_a_spec_that_says_nothing_is_refused(spec):
    with pytest.raises(ValueError, match="inputs of signature 'serving_default' as .*Received: Sp"):
        collect(None, {"serving_default": (lambda x: x, [spec])})
