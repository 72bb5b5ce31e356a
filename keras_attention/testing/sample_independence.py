"""The check that a sample's results do not depend on the other samples of its batch."""

from collections.abc import Callable

import keras
import numpy as np

from keras_attention.testing.case import LayerCase
from keras_attention.testing.promise import promise


@promise("a sample's results do not depend on the rest of its batch")
def check_sample_is_independent(case: LayerCase) -> None:
    """Evaluate one sample alone, beside samples with other masks and values, and beside NaN.

    The gradient of a variable must be the sum of its gradients for the single samples.
    """
    evaluator = case.evaluator()
    data = case.batch(4)

    def evaluate(*samples, fill_others=False):
        query, value, *masks = (x[list(samples)] for x in data)
        if fill_others:
            query[1:] = value[1:] = np.nan
        return evaluator.results(query, value, *masks)

    alone, other, pair = evaluate(1), evaluate(2), evaluate(1, 2)
    batches = {
        "beside a sample without a mask": pair,
        "beside NaN": evaluate(1, 2, fill_others=True),
    }
    if keras.backend.backend() == "jax":  # A batch of 3 or 4 would compile another program.
        batches["beside a fully masked sample"] = evaluate(1, 0)
    else:
        batches["among four samples"] = evaluate(1, 0, 2, 3)
    for name in list(alone)[:4]:
        for neighbors, results in batches.items():
            _assert_close(results[name][:1], alone[name], f"{name} of a sample {neighbors}")
    for name in list(alone)[4:]:
        _assert_close(pair[name], alone[name] + other[name], f"{name}, of two samples")


def _assert_close(array, expected, name):
    tolerance = 1e-5 * max(1.0, np.abs(expected).max(initial=0.0))
    np.testing.assert_allclose(array, expected, rtol=1e-4, atol=tolerance, err_msg=name)


CHECKS: list[Callable] = [check_sample_is_independent]
