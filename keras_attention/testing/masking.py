"""The checks that masked positions have no effect and fully masked queries return zero."""

from collections.abc import Callable

import numpy as np

from keras_attention.testing.backends import to_numpy
from keras_attention.testing.case import LayerCase
from keras_attention.testing.data import BATCH, KEYS, OTHER_SIZES, QUERIES
from keras_attention.testing.promise import promise, require


def _supports_masks(case: LayerCase) -> bool:
    return case.takes_masks


def _supports_attention_mask(case: LayerCase) -> bool:
    return case.takes_attention_mask


def _evaluate_example(case, dtype="float32"):
    """Return outputs and gradients for `case.batch()`, computed once for each shared evaluator."""
    evaluator = case.evaluator(dtype)
    if evaluator.example_results is None:
        evaluator.example_results = evaluator.outputs_and_gradients(*case.batch())
    return evaluator.example_results


@promise("a fully masked query returns zero, with zero gradients", _supports_masks)
def check_fully_masked_query_returns_zero(case: LayerCase, dtype: str = "float32") -> None:
    """Mask every key of one sequence, and one query of the other."""
    (output, weights), grads = _evaluate_example(case, dtype)
    _check_zeros(case, output, weights)
    for grad in grads:
        require(np.isfinite(grad).all(), "A gradient is not finite")
    np.testing.assert_array_equal(grads[1][0], 0, "gradient of values whose mask is False")
    if case.fully_masked_output_is_zero:
        np.testing.assert_array_equal(grads[0][0], 0, "gradient of queries without visible keys")


@promise("a fully masked query returns zero when compiled", _supports_masks)
def check_fully_masked_query_returns_zero_compiled(case: LayerCase, dtype: str = "float32") -> None:
    """Compile the call with XLA; gradients are not computed.

    The sizes are those of `same_results.py`, so that both checks use the same compiled program.
    """
    data = case.batch(*OTHER_SIZES)
    _check_zeros(case, *to_numpy(case.evaluator(dtype).run_compiled(*data)))


def _check_zeros(case, output, weights):
    np.testing.assert_array_equal(weights[0], 0, "weights where every key is masked")
    if case.fully_masked_output_is_zero:
        np.testing.assert_array_equal(output[0], 0, "output where every key is masked")
    if case.takes_query:
        np.testing.assert_array_equal(weights[1, -1], 0, "weights of a masked query")
        np.testing.assert_array_equal(output[1, -1], 0, "output of a masked query")


@promise("masked queries and values have no effect, even if they are NaN", _supports_masks)
def check_masked_inputs_have_no_effect(case: LayerCase, fill: float = np.nan) -> None:
    """Replace every masked query and value; compare outputs and all gradients bit by bit."""
    query, value, query_mask, value_mask = case.batch()

    def evaluate(query, value):
        outputs, grads = case.evaluator().outputs_and_gradients(
            query, value, query_mask, value_mask
        )
        return [*outputs, *grads]

    outputs, grads = _evaluate_example(case)
    filled_query = np.where(query_mask[..., None], query, np.float32(fill))
    filled_value = np.where(value_mask[..., None], value, np.float32(fill))
    _assert_equal(evaluate(filled_query, filled_value), [*outputs, *grads])


@promise(
    "queries and keys that `attention_mask` masks have no effect, even if they are NaN",
    _supports_attention_mask,
)
def check_attention_masked_inputs_have_no_effect(case: LayerCase, dtype: str = "float32") -> None:
    """Mask one query and one key with `attention_mask`, and set both to NaN."""
    query, value, *_ = case.batch()
    attention_mask = np.ones((QUERIES, KEYS), bool)
    attention_mask[1] = attention_mask[:, 2] = False

    def evaluate(query, value):
        (output, weights), grads = case.evaluator(dtype).outputs_and_gradients(
            query, value, attention_mask=attention_mask, loss_queries=slice(None, None, 2)
        )
        np.testing.assert_array_equal(weights[:, 1], 0, "weights of a fully masked query")
        if case.fully_masked_output_is_zero:
            np.testing.assert_array_equal(output[:, 1], 0, "output of a fully masked query")
        return [output[:, ::2], weights, *grads]

    expected = evaluate(query, value)
    value[:, 2] = np.nan
    if case.fully_masked_output_is_zero:
        query[:, 1] = np.nan
    _assert_equal(evaluate(query, value), expected)


@promise("appended padding changes nothing", _supports_masks)
def check_appended_padding_has_no_effect(case: LayerCase) -> None:
    """Append four masked queries and values."""
    query, value, query_mask, value_mask = case.batch()
    evaluator = case.evaluator()
    output, weights = evaluator.outputs(query, value, query_mask, value_mask)
    padding = np.full((BATCH, 4, case.width), 9.0, "float32")
    longer = [np.concatenate([x, padding], 1) for x in (query, value)]
    masks = [np.pad(mask, [(0, 0), (0, 4)]) for mask in (query_mask, value_mask)]
    padded_output, padded_weights = evaluator.outputs(*longer, *masks)
    if case.takes_query:
        np.testing.assert_allclose(padded_output[:, :QUERIES], output, atol=1e-5)
        np.testing.assert_allclose(padded_weights[:, :QUERIES, :KEYS], weights, atol=1e-5)
        np.testing.assert_array_equal(padded_output[:, QUERIES:], 0)
    else:
        np.testing.assert_allclose(padded_output, output, atol=1e-5)
    np.testing.assert_array_equal(padded_weights[..., KEYS:], 0)


@promise("`use_causal_mask` masks later keys", _supports_attention_mask)
def check_causal_mask_masks_later_keys(case: LayerCase) -> None:
    """Change the last key: the output of the last query must change, all others must not."""
    query, value, *_ = case.batch()
    value = value[:, :QUERIES]
    evaluator = case.evaluator()
    output, _ = evaluator.outputs(query, value, use_causal_mask=True)
    value[:, -1] += 7
    changed_output, weights = evaluator.outputs(query, value, use_causal_mask=True)
    np.testing.assert_allclose(changed_output[:, :-1], output[:, :-1], atol=1e-6)
    np.testing.assert_array_equal(np.triu(weights[0], 1), 0)
    difference = np.abs(changed_output[:, -1] - output[:, -1]).max()
    require(difference > 0.01, f"The last query ignores the last key: difference {difference}")


def _assert_equal(arrays, expected):
    for array, expected_array in zip(arrays, expected, strict=True):
        np.testing.assert_array_equal(array, expected_array)


CHECKS: list[Callable] = [
    check_fully_masked_query_returns_zero,
    check_fully_masked_query_returns_zero_compiled,
    check_masked_inputs_have_no_effect,
    check_attention_masked_inputs_have_no_effect,
    check_appended_padding_has_no_effect,
    check_causal_mask_masks_later_keys,
]
