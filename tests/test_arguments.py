import numpy as np
import pytest

from keras_attention import arguments


@pytest.mark.parametrize("value", [1, 7, np.int64(3)])
def test_positive_integer_is_returned_as_an_int(value):
    assert arguments.positive_integer("units", value) == value
    assert type(arguments.positive_integer("units", value)) is int


@pytest.mark.parametrize("value", [0, -1, 1.0, "1", True, None, [3]])
def test_positive_integer_refuses_other_values(value):
    with pytest.raises(ValueError) as refusal:
        arguments.positive_integer("units", value)
    assert str(refusal.value) == (
        f"Expected `units` to be an integer of at least 1. Received: units={value!r}"
    )


def test_none_is_accepted_only_if_optional():
    assert arguments.positive_integer("units", None, optional=True) is None
    with pytest.raises(ValueError, match="at least 1 or None. Received: units=0"):
        arguments.positive_integer("units", 0, optional=True)


@pytest.mark.parametrize("value", [0, 0.0, 0.5, 0.999, np.float32(0.25)])
def test_rate_is_returned_as_a_float(value):
    assert arguments.rate("dropout", value) == value
    assert type(arguments.rate("dropout", value)) is float


@pytest.mark.parametrize("value", [1, 1.0, -0.1, "0.5", True, None, float("nan")])
def test_rate_refuses_other_values(value):
    with pytest.raises(ValueError) as refusal:
        arguments.rate("dropout", value)
    assert str(refusal.value) == (
        f"Expected `dropout` to be a number in the range [0, 1). Received: dropout={value!r}"
    )


def test_only_true_and_false_are_booleans():
    assert arguments.boolean("scaled", True) is True
    assert arguments.boolean("scaled", False) is False
    for value in (1, 0, "yes", None):
        with pytest.raises(ValueError, match=f"True or False. Received: scaled={value!r}"):
            arguments.boolean("scaled", value)


def test_one_of_names_the_choices():
    assert arguments.one_of("attend", "after", ("before", "after")) == "after"
    with pytest.raises(ValueError) as refusal:
        arguments.one_of("attend", "during", ("before", "after"))
    assert str(refusal.value) == (
        "Expected `attend` to be one of ('before', 'after'). Received: attend='during'"
    )


def test_positive_number_must_be_finite():
    assert arguments.positive_number("clip", 3) == 3.0
    assert arguments.positive_number("clip", None, optional=True) is None
    for value in (0, -1, float("inf"), float("nan"), True, "3", None):
        with pytest.raises(ValueError, match=f"finite number above 0. Received: clip={value!r}"):
            arguments.positive_number("clip", value)
