"""The checks that attention weights are a distribution, and are equal for equal keys."""

from collections.abc import Callable

import numpy as np

from keras_attention.testing.case import LayerCase
from keras_attention.testing.data import KEYS, QUERIES
from keras_attention.testing.promise import promise, require

SAMPLES = 24


def make_tied_batch(case: LayerCase) -> tuple:
    """Return queries, values and their masks; many scores are equal.

    Queries and values are small integers, divided by 1, 2 or 3. The last two keys of each sample
    equal its first key. The third key is masked in every other sample.
    """
    rng = np.random.default_rng(0)
    divisors = np.arange(SAMPLES).reshape(-1, 1, 1) % 3 + 1
    query, value = (
        (rng.integers(-2, 3, size=(SAMPLES, n, case.width)) / divisors).astype("float32")
        for n in (QUERIES, KEYS)
    )
    value[:, -2:] = value[:, :1]
    query_mask, value_mask = np.ones((SAMPLES, QUERIES), bool), np.ones((SAMPLES, KEYS), bool)
    value_mask[::2, 2] = False
    return query, value, query_mask, value_mask


@promise("the attention weights of a query sum to 1, or are all zero")
def check_weights_are_distribution(case: LayerCase) -> None:
    """Evaluate `make_tied_batch`: weights must not be negative, and sum to 1 if any is positive.

    Without `case.weights_sum_to_one`, their sum may also be less than 1.
    """
    _, weights = case.evaluator().outputs_of_samples(*make_tied_batch(case))
    require((weights >= 0).all(), f"Negative weights, the lowest {weights.min()}")
    sums = weights.sum(-1)
    require((sums <= 1 + 1e-5).all(), f"Weights that sum to {sums.max()}")
    if case.weights_sum_to_one:
        sums = sums[sums > 0]
        require((sums >= 1 - 1e-5).all(), f"Weights that sum to {sums.min(initial=1.0)}")


def _treats_keys_alike(case: LayerCase) -> bool:
    return case.treats_keys_alike


@promise("equal keys get equal weights, and permuted keys permuted weights", _treats_keys_alike)
def check_keys_are_treated_alike(case: LayerCase) -> None:
    """Evaluate `make_tied_batch`, then with its keys in another order."""
    query, value, query_mask, value_mask = make_tied_batch(case)
    evaluator = case.evaluator()
    output, weights = evaluator.outputs_of_samples(query, value, query_mask, value_mask)
    for key in (-2, -1):
        np.testing.assert_allclose(
            weights[..., key], weights[..., 0], atol=1e-6, err_msg="weights of equal keys"
        )
    order = np.random.default_rng(1).permutation(KEYS)
    permuted_output, permuted_weights = evaluator.outputs_of_samples(
        query, value[:, order], query_mask, value_mask[:, order]
    )
    np.testing.assert_allclose(
        permuted_weights, weights[..., order], atol=1e-5, err_msg="weights of permuted keys"
    )
    np.testing.assert_allclose(
        permuted_output, output, rtol=1e-5, atol=1e-5, err_msg="output of permuted keys"
    )


CHECKS: list[Callable] = [check_weights_are_distribution, check_keys_are_treated_alike]
