import keras
import pytest
from keras import ops

from keras_attention import normalize


@keras.saving.register_keras_serializable(package="tests")
@normalize.masked
def uniform(scores):
    return ops.full_like(scores, 1 / scores.shape[-1])


@pytest.mark.parametrize("name", ["hardmax", "softmax", "sparsemax"])
def test_names_round_trip(name):
    assert normalize.get(name) is getattr(normalize, name)
    assert normalize.serialize(getattr(normalize, name)) == name


def test_function_is_returned_unchanged():
    assert normalize.get(uniform) is uniform
    assert normalize.get(normalize.softmax) is normalize.softmax


def test_registered_function_round_trips_through_its_config():
    config = normalize.serialize(uniform)
    assert normalize.get(config) is uniform


@pytest.mark.parametrize("wrong", ["soft", 3, None, ["softmax"]])
def test_other_values_are_refused(wrong):
    with pytest.raises(ValueError, match="Expected `normalize` to be one of .*softmax") as refusal:
        normalize.get(wrong)
    assert f"Received: normalize={wrong!r}" in str(refusal.value)
