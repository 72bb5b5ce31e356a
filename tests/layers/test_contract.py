"""Every layer keeps the package's promises. A new layer adds a case to `contract/`.

The checks are `keras_attention.testing`'s; here are the cases and dtypes with which they run.
"""

import keras
import numpy as np
import pytest

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
from tests.layers.contract.rows import ROWS

BACKEND = keras.backend.backend()
DTYPES = ["float32", "bfloat16", "mixed_float16"]
if BACKEND == "tensorflow":  # elsewhere Keras's own products are not float64
    DTYPES += ["float16", "mixed_bfloat16", "float64"]
COMPILED_DTYPES = ["float32", "mixed_float16"]


def is_first(name):
    """Return True for one case per layer: the one that lists all of its arguments."""
    return bool(ROWS[name].all_arguments)


def has_own_kernel(name):
    """Return True for the cases that together run every layer with each of its kernels."""
    return is_first(name) or "blockwise" in ROWS[name].arguments.values()


def every_case(check, compiles=False):
    """Parametrize a test by the cases to which the check applies.

    Args:
        check: The check.
        compiles: Whether the test compiles or exports a program for each case. If so, cases whose
            kernels other cases run as well are marked `ci`.
    """
    cases = [
        pytest.param(
            case, id=name, marks=[pytest.mark.ci] * (compiles and not has_own_kernel(name))
        )
        for name, case in ROWS.items()
        if check.applies(case)
    ]
    return pytest.mark.parametrize("case", cases)


def every_case_that_compiles_fast(check):
    """Parametrize by the cases; on JAX, where each compiles programs of its own, by fewer."""
    cases = {
        name: case
        for name, case in ROWS.items()
        if check.applies(case) and (BACKEND != "jax" or has_own_kernel(name))
    }
    return pytest.mark.parametrize("case", cases.values(), ids=cases.keys())


def every_case_and_dtype(check, dtypes, compiles=False):
    """Parametrize by cases and dtypes.

    A layer's further cases differ in composition, not in how they treat a dtype; except that
    blockwise kernels do. If the test compiles, these further cases are marked `ci` in all dtypes
    but float32, in which several tests share their compiled programs.
    """
    pairs = [
        pytest.param(
            *(case, dtype),
            id=f"{name}-{dtype}",
            marks=[pytest.mark.ci] * (compiles and dtype != "float32" and not has_own_kernel(name)),
        )
        for name, case in ROWS.items()
        for dtype in dtypes
        if check.applies(case)
        and (is_first(name) or "blockwise" in name or dtype in COMPILED_DTYPES)
    ]
    return pytest.mark.parametrize(("case", "dtype"), pairs)


@pytest.fixture(autouse=True, scope="module")
def _forget_evaluators():
    """Free the layers and compiled programs that the checks share."""
    yield
    for case in ROWS.values():
        case.evaluators.clear()


@every_case_and_dtype(masking.check_fully_masked_query_returns_zero, DTYPES)
def test_fully_masked_query_returns_zero(case, dtype):
    masking.check_fully_masked_query_returns_zero(case, dtype)


# On JAX the check above runs compiled in every dtype.
@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow alone runs both ways here")
@every_case_and_dtype(
    masking.check_fully_masked_query_returns_zero_compiled, COMPILED_DTYPES, compiles=True
)
def test_fully_masked_query_returns_zero_compiled(case, dtype):
    masking.check_fully_masked_query_returns_zero_compiled(case, dtype)


@every_case(masking.check_masked_inputs_have_no_effect)
@pytest.mark.parametrize("fill", [np.nan, np.inf, -np.inf])
def test_masked_inputs_have_no_effect(case, fill):
    masking.check_masked_inputs_have_no_effect(case, fill)


@every_case(masking.check_attention_masked_inputs_have_no_effect)
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_attention_masked_inputs_have_no_effect(case, dtype):
    masking.check_attention_masked_inputs_have_no_effect(case, dtype)


@every_case(masking.check_appended_padding_has_no_effect)
def test_appended_padding_has_no_effect(case):
    masking.check_appended_padding_has_no_effect(case)


@every_case(masking.check_causal_mask_masks_later_keys)
def test_causal_mask_masks_later_keys(case):
    masking.check_causal_mask_masks_later_keys(case)


@every_case(precision.check_integers_equal_floats)
def test_integers_equal_floats(case):
    precision.check_integers_equal_floats(case)


@every_case_and_dtype(precision.check_finite_inputs_give_no_nan, DTYPES)
def test_finite_inputs_give_no_nan(case, dtype):
    precision.check_finite_inputs_give_no_nan(case, dtype)


@every_case(precision.check_half_precision_is_close_to_float32)
def test_half_precision_is_close_to_float32(case):
    precision.check_half_precision_is_close_to_float32(case)


@every_case_that_compiles_fast(sample_independence.check_sample_is_independent)
def test_sample_is_independent(case):
    sample_independence.check_sample_is_independent(case)


@every_case_and_dtype(extreme_inputs.check_extreme_inputs_give_finite_results, DTYPES)
def test_extreme_inputs_give_finite_results(case, dtype):
    extreme_inputs.check_extreme_inputs_give_finite_results(case, dtype)


@every_case(extreme_inputs.check_huge_inputs_give_finite_results)
def test_huge_inputs_give_finite_results(case):
    extreme_inputs.check_huge_inputs_give_finite_results(case)


@every_case_that_compiles_fast(extreme_inputs.check_implementations_agree)
def test_implementations_agree(case):
    extreme_inputs.check_implementations_agree(case)


@every_case_that_compiles_fast(derivatives.check_derivatives)
def test_derivatives(case):
    derivatives.check_derivatives(case)


@every_case(weights.check_weights_are_distribution)
def test_weights_are_distribution(case):
    weights.check_weights_are_distribution(case)


@every_case(weights.check_keys_are_treated_alike)
def test_keys_are_treated_alike(case):
    weights.check_keys_are_treated_alike(case)


@every_case(shapes.check_shapes)
def test_shapes(case):
    shapes.check_shapes(case)


@every_case(invalid_calls.check_invalid_calls_raise)
def test_invalid_calls_raise(case):
    invalid_calls.check_invalid_calls_raise(case)


@every_case(same_results.check_scores_do_not_change_output)
def test_scores_do_not_change_output(case):
    same_results.check_scores_do_not_change_output(case)


@every_case(same_results.check_symbolic_outputs_match)
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_symbolic_outputs_match(case, dtype):
    same_results.check_symbolic_outputs_match(case, dtype)


@every_case(same_results.check_same_results_compiled_and_reloaded)
def test_same_results_compiled_and_reloaded(case):
    # JAX compiles each eager operation, so one case of each layer runs eagerly there.
    eager = BACKEND != "jax" or bool(case.all_arguments)
    same_results.check_same_results_compiled_and_reloaded(case, eager)


@pytest.fixture(scope="module")
def c_loader_results(request):
    """Output and weights of the selected cases from one SavedModel and one loader process."""
    selected = {
        id(item.callspec.params["case"])
        for item in request.session.items
        if getattr(item, "originalname", "") == "test_same_results_in_c_loader"
    }
    cases = {name: case for name, case in ROWS.items() if id(case) in selected}
    try:
        results = saved_model.run_in_c_loader(cases)
    except Exception:  # one case cannot be exported: export each alone to find out which
        return {}
    return {id(case): results[name] for name, case in cases.items()}


@pytest.mark.skipif(BACKEND != "tensorflow", reason="a SavedModel is TensorFlow's")
@every_case(saved_model.check_same_results_in_c_loader, compiles=True)
def test_same_results_in_c_loader(case, c_loader_results):
    saved_model.check_same_results_in_c_loader(case, c_loader_results.get(id(case)))


def test_every_public_layer_has_a_case_with_every_argument():
    layers = {getattr(keras_attention, name) for name in keras_attention.layers.__all__}
    assert layers == {case.layer for case in ROWS.values() if case.all_arguments}


@pytest.mark.parametrize("name", filter(is_first, ROWS))
def test_config_holds_every_argument(name):
    config.check_config_holds_every_argument(ROWS[name])


@every_case(config.check_class_is_registered)
def test_class_is_registered(case):
    config.check_class_is_registered(case)


@every_case(config.check_invalid_arguments_raise)
def test_invalid_arguments_raise(case):
    config.check_invalid_arguments_raise(case)


@every_case(state.check_call_leaves_no_state)
def test_call_leaves_no_state(case):
    if BACKEND == "jax" and not case.all_arguments:
        pytest.skip("JAX compiles each eager operation: one case of each layer runs eagerly")
    state.check_call_leaves_no_state(case)


@every_case(freezing.check_frozen_layer_is_not_trained)
@pytest.mark.parametrize("frozen_by", freezing.FREEZERS)
def test_frozen_layer_is_not_trained(case, frozen_by):
    freezing.check_frozen_layer_is_not_trained(case, frozen_by)


@every_case(freezing.check_frozen_layer_can_be_unfrozen)
def test_frozen_layer_can_be_unfrozen(case):
    freezing.check_frozen_layer_can_be_unfrozen(case)


@every_case(training.check_layer_learns_when_compiled, compiles=True)
def test_layer_learns_when_compiled(case):
    training.check_layer_learns_when_compiled(case)
