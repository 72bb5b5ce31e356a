"""The tolerance for changes that a server's padding makes."""

import ml_dtypes
import numpy as np
import pytest

from keras_attention.export.checks.trial_requests import Trial, find_trial_remarks


@pytest.mark.parametrize(
    ("is_half", "dtype", "changed_to", "is_remarked"),
    [
        (True, "float16", 1.01, False),
        (True, ml_dtypes.bfloat16, 1.01, False),
        (True, "float32", 1.01, False),
        (True, "float16", 1.1, True),
        (False, "float32", 1.01, True),
        (False, "float32", 1.00005, False),
    ],
)
def test_the_tolerance_is_that_of_the_output_check(is_half, dtype, changed_to, is_remarked):
    trial = Trial(
        calls=[("serve", {"x": np.ones((1, 2))})],
        answers=[{"y": np.ones((1, 2), dtype)}],
        padded_answers=[{"y": np.full((1, 5), changed_to, dtype)}],
        batches=[],
        batch_answers=[],
        made_up=[],
        seconds=0.0,
    )
    assert len(find_trial_remarks(trial, {("serve", "y")} if is_half else set())) == is_remarked
