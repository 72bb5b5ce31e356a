"""Sequences and padding values that `with_lengths` accepts or refuses."""

import pytest

from keras_attention import export
from keras_attention.export.signatures.signature import collect_signatures

X = export.Spec("x", (None, None), "int32")
SMALL = export.Spec("small", (None, None), "uint8")
HALF = export.Spec("half", (None, None), "float16")
MASK = export.Spec("mask", (None, None, 1), "bool")


@pytest.mark.parametrize(
    ("sequences", "message"),
    [
        (None, "`sequences` to be a dict"),
        ({}, "`sequences` to be a dict"),
        (
            {"y": 0},
            r"inputs of shape \(batch, T, ...\), out of \['x', 'small', 'half', 'mask'\]. .*'y'",
        ),
        ({"x": "unknown"}, r"`sequences\['x'\]` to be a padding value of int32.*'unknown'"),
        ({"x": "mask"}, "the name of a bool input .*'mask'"),
        ({"x": None}, "padding value of int32.*None"),
        ({"x": [0]}, r"padding value of int32.*\[0\]"),
        ({"x": 0.5}, "padding value of int32.*0.5"),
        ({"x": 2**31}, "padding value of int32.*2147483648"),
        ({"x": True}, "padding value of int32.*True"),
        ({"small": 300}, "padding value of uint8.*300"),
        ({"small": -1}, "padding value of uint8.*-1"),
        ({"half": 70000.0}, "padding value of float16.*70000"),
        ({"half": float("nan")}, "padding value of float16.*nan"),
    ],
    ids=str,
)
def test_invalid_sequences_and_padding_values_are_refused(sequences, message):
    with pytest.raises(ValueError, match=message):
        export.with_lengths((lambda x, small, half, mask: x, [X, SMALL, HALF, MASK]), sequences)


@pytest.mark.parametrize("first", ["sentences", 3])
def test_every_row_needs_a_length_whatever_the_batch_dimension_is_called(first):
    spec = export.Spec("x", (first, None), "int32")
    (signature,) = collect_signatures(
        None, {"serving_default": export.with_lengths((lambda x: x, [spec]), {"x": 0})}
    )
    import tensorflow as tf

    x = tf.ones((3, 2), "int32")
    assert signature.compute_outputs(x, tf.constant([0, 1, 2]))["output"][
        :, 0
    ].numpy().tolist() == [
        0,
        1,
        1,
    ]
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        signature.compute_outputs(x, tf.constant([1]))  # one length for three rows


def test_an_input_that_is_already_called_lengths_is_refused():
    parts = (lambda x, lengths: x, [X, export.Spec("lengths", (None,), "int32")])
    signature = export.with_lengths(parts, {"x": 0})
    with pytest.raises(ValueError, match=r"different input names .*\['x', 'lengths', 'lengths'\]"):
        collect_signatures(None, {"serving_default": signature})
