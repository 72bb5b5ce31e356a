"""Every check of the contract refuses a layer that breaks its promise, and says how."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention.testing import (
    config,
    derivatives,
    extreme_inputs,
    freezing,
    invalid_calls,
    masking,
    precision,
    same_results,
    sample_independence,
    saved_model,
    shapes,
    state,
    training,
    weights,
)
from keras_attention.testing.check_layer import CHECKS
from tests.layers.contract.common import Case

Additive = keras_attention.AdditiveAttention
ARGUMENTS = {
    "units": 7,
    "use_bias": True,
    "normalized": True,
    "dropout": 0.25,
    "seed": 3,
    "kernel_initializer": "he_normal",
    "kernel_regularizer": "l2",
    "scale_initializer": "ones",
    "bias_initializer": "ones",
    "implementation": "plain",
}


def register(layer):
    return keras.saving.register_keras_serializable(package="keras_attention")(layer)


class PlainAttention(keras.layers.Layer):
    """Dot-product attention of one head without any precaution."""

    supports_masking = True

    def compute_mask(self, inputs, mask=None):
        return None

    def call(self, inputs, mask=None, attention_mask=None, return_attention_scores=False):
        query, value = (ops.cast(x, self.compute_dtype) for x in inputs)
        scores = ops.matmul(query, ops.swapaxes(value, -1, -2))
        visible = None if mask is None or mask[1] is None else ops.expand_dims(mask[1], 1)
        visible = attention_mask if visible is None else visible
        weights = self.normalize(scores, visible)
        return ops.matmul(weights, value), weights

    def normalize(self, scores, visible):
        weights = ops.softmax(scores if visible is None else ops.where(visible, scores, -1e9))
        return weights if visible is None else ops.where(visible, weights, 0.0)


class MeanWhenFullyMasked(PlainAttention):
    def normalize(self, scores, visible):
        return ops.softmax(scores if visible is None else scores + ops.where(visible, 0.0, -1e9))


class HalfPrecisionExponentials(PlainAttention):
    def normalize(self, scores, visible):
        exponentials = ops.exp(scores)
        return exponentials / ops.sum(exponentials, axis=-1, keepdims=True)


class FavorsLaterKeys(PlainAttention):
    def normalize(self, scores, visible):
        return super().normalize(
            scores + ops.arange(ops.shape(scores)[-1], dtype=scores.dtype), visible
        )


@register
class MixesSamples(Additive):
    def call(self, inputs, mask=None, **options):
        output, weights = super().call(inputs, mask=mask, **options)
        return output + ops.mean(output, axis=0, keepdims=True), weights


@register
class OtherNumbersWhenBlockwise(Additive):
    def call(self, inputs, mask=None, **options):
        output, weights = super().call(inputs, mask=mask, **options)
        return output * (1.1 if self.implementation == "blockwise" else 1.0), weights


@register
class WrongSecondDerivative(Additive):
    """Add a variance whose mean is a constant: only its first derivative is right."""

    def call(self, inputs, mask=None, **options):
        output, weights = super().call(inputs, mask=mask, **options)
        mean = ops.stop_gradient(ops.mean(output, axis=-1, keepdims=True))
        variance = ops.mean(ops.square(output - mean), axis=-1, keepdims=True)
        return output + variance, weights


@register
class DoublesWeights(Additive):
    def call(self, inputs, mask=None, **options):
        output, weights = super().call(inputs, mask=mask, **options)
        return output, 2 * weights


@register
class IgnoresMasks(Additive):
    def call(self, inputs, mask=None, **options):
        return super().call(inputs, **options)


@register
class TakesAnyMask(Additive):
    def call(self, inputs, mask=None, attention_mask=None, return_attention_scores=False):
        return super().call(inputs, return_attention_scores=return_attention_scores)


@register
class IgnoresCausalMask(Additive):
    def call(self, inputs, use_causal_mask=False, **options):
        return super().call(inputs, **options)


@register
class TruncatesToIntegers(Additive):
    def call(self, inputs, mask=None, **options):
        output, weights = super().call(inputs, mask=mask, **options)
        return ops.cast(output, inputs[0].dtype), weights


@register
class AlwaysFloat32(Additive):
    def call(self, inputs, mask=None, **options):
        output, weights = super().call(inputs, mask=mask, **options)
        return ops.cast(output, "float32"), weights


@register
class ScoresChangeTheOutput(Additive):
    def call(self, inputs, return_attention_scores=False, **options):
        result = super().call(inputs, return_attention_scores=return_attention_scores, **options)
        return (2 * result[0], result[1]) if return_attention_scores else result


@register
class WrongSpec(Additive):
    def compute_output_shape(self, input_shape):
        return (*input_shape[0][:-1], 13)


@register
class OtherNumbersWhenReloaded(Additive):
    """Multiply by a number that no file holds."""

    numbers = itertools.count(1)

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.number = next(self.numbers)

    def call(self, inputs, mask=None, **options):
        output, weights = super().call(inputs, mask=mask, **options)
        return output * self.number, weights


@register
class CallsPython(Additive):
    def call(self, inputs, mask=None, **options):
        import tensorflow as tf

        output, weights = super().call(inputs, mask=mask, **options)
        absolute = tf.numpy_function(np.abs, [output], tf.float32)
        return tf.ensure_shape(absolute, output.shape), weights


@register
class ForgetsAnArgument(Additive):
    def get_config(self):
        config = super().get_config()
        del config["dropout"]
        return config


class Unregistered(Additive):
    pass


@register
class TakesUnknownArguments(Additive):
    def __init__(self, units=None, no_such_argument=None, **kwargs):
        super().__init__(units=units or None, **kwargs)


@register
class KeepsItsWeights(Additive):
    def call(self, inputs, mask=None, **options):
        output, self.last_weights = super().call(inputs, mask=mask, **options)
        return output, self.last_weights


@register
class ForgetsToFreeze(keras.layers.Layer):
    """Create a sub-layer in `build`, to which Keras does not pass the flag on."""

    supports_masking = True

    def build(self, input_shape):
        self.attention = Additive(name="attention")
        self.attention.build(input_shape)

    def compute_mask(self, inputs, mask=None):
        return None

    def call(self, inputs, mask=None, **options):
        return self.attention(inputs, mask=mask, **options)


@register
class CannotBeUnfrozen(Additive):
    @property
    def trainable(self):
        return self._trainable

    @trainable.setter
    def trainable(self, value):
        keras.layers.Layer.trainable.fset(self, value and not self.built)


@register
class LearnsNothing(Additive):
    def call(self, inputs, mask=None, **options):
        output, weights = super().call(inputs, mask=mask, **options)
        return 0 * output, weights


def case(layer, **options):
    return Case(layer, **{"all_arguments": ARGUMENTS, **options})


# Each check with its arguments, a case that breaks its promise, the error, a piece of its message.
BROKEN = {
    masking.check_fully_masked_query_returns_zero: (
        ("float32",),
        case(MeanWhenFullyMasked),
        AssertionError,
        "weights where every key is masked",
    ),
    masking.check_fully_masked_query_returns_zero_compiled: (
        ("float32",),
        case(MeanWhenFullyMasked),
        AssertionError,
        "weights where every key is masked",
    ),
    masking.check_masked_inputs_have_no_effect: (
        (np.nan,),
        case(PlainAttention),
        AssertionError,
        "nan location mismatch",
    ),
    masking.check_attention_masked_inputs_have_no_effect: (
        ("float32",),
        case(PlainAttention),
        AssertionError,
        "nan location mismatch",
    ),
    masking.check_appended_padding_has_no_effect: (
        (),
        case(IgnoresMasks),
        AssertionError,
        "Not equal to tolerance",
    ),
    masking.check_causal_mask_masks_later_keys: (
        (),
        case(IgnoresCausalMask),
        AssertionError,
        "Not equal to tolerance",
    ),
    precision.check_integers_equal_floats: (
        (),
        case(TruncatesToIntegers),
        AssertionError,
        "Not equal to tolerance",
    ),
    precision.check_finite_inputs_give_no_nan: (
        ("mixed_float16",),
        case(HalfPrecisionExponentials),
        AssertionError,
        "NaN from inputs of ±32768.0",
    ),
    precision.check_half_precision_is_close_to_float32: (
        (),
        case(AlwaysFloat32),
        AssertionError,
        "Output of float32 under mixed_float16",
    ),
    sample_independence.check_sample_is_independent: (
        (),
        case(MixesSamples),
        AssertionError,
        "output of a sample beside a sample without a mask",
    ),
    extreme_inputs.check_extreme_inputs_give_finite_results: (
        ("mixed_float16",),
        case(HalfPrecisionExponentials),
        AssertionError,
        "The output is not finite",
    ),
    extreme_inputs.check_huge_inputs_give_finite_results: (
        (),
        case(PlainAttention),
        AssertionError,
        "is not finite with inputs up to 1e+30",
    ),
    extreme_inputs.check_implementations_agree: (
        (),
        case(OtherNumbersWhenBlockwise),
        AssertionError,
        "with implementation='blockwise'",
    ),
    derivatives.check_derivatives: (
        (),
        case(WrongSecondDerivative),
        AssertionError,
        "second derivative with respect to the queries",
    ),
    weights.check_weights_are_distribution: (
        (),
        case(DoublesWeights),
        AssertionError,
        "Weights that sum to 2.0",
    ),
    weights.check_keys_are_treated_alike: (
        (),
        case(FavorsLaterKeys),
        AssertionError,
        "weights of equal keys",
    ),
    shapes.check_shapes: (
        (),
        case(WrongSpec),
        AssertionError,
        "compute_output_shape gives (2, 1, 13)|Symbolic shapes ((2, 1, 13)",
    ),
    invalid_calls.check_invalid_calls_raise: (
        (),
        case(TakesAnyMask),
        AssertionError,
        "`attention_mask` as shape (4, 7), eagerly: accepted",
    ),
    same_results.check_scores_do_not_change_output: (
        (),
        case(ScoresChangeTheOutput),
        AssertionError,
        "Arrays are not equal",
    ),
    same_results.check_symbolic_outputs_match: (
        ("float32",),
        case(WrongSpec),
        AssertionError,
        "Symbolic shape (2, 3, 13), real shape (2, 3, 5)",
    ),
    same_results.check_same_results_compiled_and_reloaded: (
        (),
        case(OtherNumbersWhenReloaded),
        AssertionError,
        "predict",
    ),
    saved_model.check_same_results_in_c_loader: (
        (),
        case(CallsPython),
        ValueError,
        "EagerPyFunc|PyFunc|numpy_function",
    ),
    config.check_config_holds_every_argument: (
        (),
        case(ForgetsAnArgument),
        AssertionError,
        "The config lacks ['dropout']",
    ),
    config.check_class_is_registered: (
        (),
        case(Unregistered),
        AssertionError,
        "Expected 'keras_attention>Unregistered', not 'Unregistered'",
    ),
    config.check_invalid_arguments_raise: (
        (),
        case(TakesUnknownArguments),
        AssertionError,
        "{'no_such_argument': 1} does not raise an error",
    ),
    state.check_call_leaves_no_state: (
        (),
        case(KeepsItsWeights),
        AssertionError,
        "last_weights",
    ),
    freezing.check_frozen_layer_is_not_trained: (
        ("constructor",),
        case(ForgetsToFreeze),
        AssertionError,
        "The model trains weights of the frozen layer: ['forgets_to_freeze",
    ),
    freezing.check_frozen_layer_can_be_unfrozen: (
        (),
        case(CannotBeUnfrozen),
        AssertionError,
        "Expected to train [('query_kernel'",
    ),
    training.check_layer_learns_when_compiled: (
        (),
        case(LearnsNothing),
        AssertionError,
        "The loss went from",
    ),
}


@pytest.mark.parametrize("check", BROKEN, ids=lambda check: check.__name__)
def test_broken_layer_is_refused(check):
    arguments, broken, cause, message = BROKEN[check]
    if not check.applies(broken):
        pytest.skip("the check does not run on this backend")
    with pytest.raises(AssertionError) as refusal:
        check(broken, *arguments)
    text = str(refusal.value)
    assert text.startswith(f"{broken.name} breaks the promise: {check.promise}")
    assert type(refusal.value.__cause__) is cause
    assert any(piece in text for piece in message.split("|"))


@pytest.mark.parametrize("check", BROKEN, ids=lambda check: check.__name__)
def test_same_check_accepts_sound_layer(check):
    arguments, *_ = BROKEN[check]
    if "finite" in check.__name__ or check.applies(case(Additive)):
        check(case(Additive), *arguments)


def test_compiled_call_that_leaves_state_is_refused():
    with pytest.raises(AssertionError, match=r"The call changes the attributes \['last_weights'\]"):
        training.check_layer_learns_when_compiled(case(KeepsItsWeights))


def test_every_check_has_its_broken_layer():
    assert set(CHECKS) == set(BROKEN)
