"""Every check of the contract refuses a layer that breaks its promise."""

import inspect
import itertools

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention.layers.query_value.base import PreparedMemory
from keras_attention.read import weighted_sum
from tests.layers import contract_rows, test_contract

Additive = keras_attention.AdditiveAttention


def register(layer):
    return keras.saving.register_keras_serializable(package="keras_attention")(layer)


@register
class MeanOfTheHidden(Additive):
    """Softmax after adding a large negative number: a blind row reads the mean."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.normalize = lambda scores, mask: ops.softmax(
            scores if mask is None else scores + ops.where(mask, 0.0, -1e9)
        )


@register
class HidesNothing(Additive):
    """Trusts that a weight of zero is enough."""

    def prepare(self, value, key=None, mask=None, for_steps=False):
        return PreparedMemory(self.score.project_key(ops.cast(value, "float32")), value, mask)


@register
class TruncatesIntegers(Additive):
    """Returns the context in the inputs' dtype."""

    def call(self, inputs, **kwargs):
        output, weights = super().call(inputs, **kwargs)
        return ops.cast(output, inputs[0].dtype), weights


@register
class SeesPadding(Additive):
    """Ignores the masks."""

    def prepare(self, value, key=None, mask=None, for_steps=False):
        return super().prepare(value, key, None)


@register
class HalfScores(keras_attention.Attention):
    """Scores in the compute dtype."""

    def attend(self, query, memory, noise=None, positions=None, return_weights=True):
        keys = ops.cast(memory.keys, self.compute_dtype)
        scores = ops.matmul(query, ops.swapaxes(keys, -1, -2))
        exponentials = ops.exp(scores - ops.max(scores, axis=-1, keepdims=True))
        weights = exponentials / ops.sum(exponentials, axis=-1, keepdims=True)
        return weighted_sum(weights, memory.values), weights


@register
class AlwaysFloat32(Additive):
    """Ignores the dtype policy in its output."""

    def transform_output(self, context, query):
        return ops.cast(context, "float32")


@register
class ScoresChangeTheContext(Additive):
    def call(self, inputs, return_attention_scores=False, **kwargs):
        result = super().call(inputs, return_attention_scores=return_attention_scores, **kwargs)
        return (2 * result[0], result[1]) if return_attention_scores else result


@register
class SeesTheFuture(Additive):
    def call(self, inputs, use_causal_mask=False, **kwargs):
        return super().call(inputs, **kwargs)


@register
class KeepsItsWeights(Additive):
    def attend(self, query, memory, noise=None, positions=None, return_weights=True):
        output, self.last_weights = super().attend(query, memory, noise)
        return output, self.last_weights


@register
class ForgetsAnArgument(Additive):
    def get_config(self):
        config = super().get_config()
        del config["dropout"]
        return config


class Unregistered(Additive):
    pass


@register
class TakesAnything(Additive):
    def __init__(self, units=None, no_such_argument=None, **kwargs):
        super().__init__(units=units or None, **kwargs)


@register
class WrongSpec(Additive):
    def compute_output_shape(self, input_shape):
        return (*input_shape[0][:-1], 13)


@register
class OtherWhenReloaded(Additive):
    """Multiplies by a number that no file holds."""

    numbers = itertools.count(1)

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.number = next(self.numbers)

    def transform_output(self, context, query):
        return context * self.number


@register
class CallsPython(Additive):
    def transform_output(self, context, query):
        import tensorflow as tf

        return tf.ensure_shape(tf.numpy_function(np.abs, [context], tf.float32), context.shape)


@register
class LearnsNothing(Additive):
    def attend(self, query, memory, noise=None, positions=None, return_weights=True):
        output, weights = super().attend(query, memory, noise)
        return 0 * ops.stop_gradient(output), weights


BROKEN = {
    "test_who_may_see_nothing_reads_zero": (MeanOfTheHidden, ("float32", False)),
    "test_what_is_masked_cannot_matter": (HidesNothing, (np.nan,)),
    "test_what_the_attention_mask_hides_cannot_matter": (HidesNothing, ("float32",)),
    "test_integers_are_read_as_numbers": (TruncatesIntegers, ()),
    "test_appended_padding_changes_nothing": (SeesPadding, ()),
    "test_no_finite_input_gives_nan": (HalfScores, ("float16",)),
    "test_half_precision_stays_near_float32": (AlwaysFloat32, ()),
    "test_asking_for_the_weights_does_not_change_the_output": (ScoresChangeTheContext, ()),
    "test_the_past_does_not_know_the_future": (SeesTheFuture, ()),
    "test_a_call_leaves_nothing_behind": (KeepsItsWeights, (False,)),
    "test_the_config_holds_every_argument": (ForgetsAnArgument, ()),
    "test_it_is_registered_by_its_own_name": (Unregistered, ()),
    "test_wrong_arguments_are_refused_by_name": (TakesAnything, ()),
    "test_the_symbolic_result_is_what_comes_out": (WrongSpec, ("float32",)),
    "test_the_numbers_are_the_same_compiled_reloaded_and_in_any_size": (
        OtherWhenReloaded,
        "tmp_path",
    ),
    "test_the_numbers_are_the_same_in_the_cpp_loader": (CallsPython, "tmp_path"),
    "test_it_learns_when_compiled": (LearnsNothing, ()),
}


@pytest.mark.parametrize("check", BROKEN)
def test_a_broken_layer_is_refused(check, tmp_path):
    layer, arguments = BROKEN[check]
    function = getattr(test_contract, check)
    if any(m.name == "skipif" and m.args[0] for m in getattr(function, "pytestmark", [])):
        pytest.skip("the check itself is TensorFlow's")
    arguments = (tmp_path,) if arguments == "tmp_path" else arguments
    additive = contract_rows.ROWS["additive"]
    row = contract_rows.Row(layer, others=additive.others, wrong=additive.wrong)
    refusals = (AssertionError, ValueError, KeyError, TypeError, UserWarning, pytest.fail.Exception)
    with pytest.raises(refusals):
        function(row, *arguments)


def test_every_check_has_its_broken_layer():
    checks = {
        name
        for name, function in vars(test_contract).items()
        if name.startswith("test_") and "row" in inspect.signature(function).parameters
    }
    assert checks == set(BROKEN)
