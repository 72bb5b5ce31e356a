"""Small sizes of the kernels' blocks, so that short sequences have several blocks.

The numbers replace the constants of `keras_attention.kernels.tuning` during one case.
"""

import contextlib
from unittest import mock

from hypothesis import strategies as st

from keras_attention.kernels import tuning

# Thresholds below which kernels would not be used, set so that they always are.
ALWAYS = {
    "ADDITIVE_MIN_UNITS": 1,
    "ADDITIVE_MAX_PLAIN_QUERIES": 0,
    "ADDITIVE_MIN_ELEMENTS_COMPILED": 0,
    "ADDITIVE_MIN_ELEMENTS_UNCOMPILED": 0,
    "ADDITIVE_MIN_PAIRS_UNCOMPILED": 0,
    "DOT_MIN_WEIGHTS_PER_HEAD": 0,
}
ROWS = {
    "ADDITIVE_PAIRS_PER_BLOCK": (12, 6, 40),
    "ADDITIVE_TERMS_PER_ITERATION": (2, 2, 4),  # even: the loop adds pairs
    "ADDITIVE_UNITS_PER_GROUP": (1, 2, 4),
    "DOT_MAX_SCORES_PER_BLOCK": (1, 8, 64),
    "DOT_MAX_ROWS_PER_BLOCK": (1, 2, 3),
    "DOT_MIN_MASKED_ROWS_PER_BLOCK": (1, 2, 3),
    "DOT_MIN_ROWS_PER_BLOCK": (1, 1, 2),
    "DOT_CAUSAL_GROUPS": (1, 2, 3),
    "DOT_CAUSAL_GROUPS_UNKNOWN_LENGTH": (1, 2, 3),
    "LOCAL_MIN_ROWS_PER_BAND": (1, 2, 3),
    "LOCAL_MIN_ROWS_PER_BAND_ADDITIVE": (1, 2, 3),
}


def blocks():
    """Draw the number of a choice of block sizes; 0 keeps the package's own."""
    return st.sampled_from([1, 2, 3, 0])


@contextlib.contextmanager
def set_blocks(number):
    """Context manager: the kernels use the block sizes of this number."""
    constants = {}
    if number:
        constants = ALWAYS | {name: sizes[number - 1] for name, sizes in ROWS.items()}
    with mock.patch.multiple(tuning, **constants) if constants else contextlib.nullcontext():
        yield
