"""What a hypothesis pays for being short, and for words of the source left untranslated.

Wu et al. (2016): score = log P(Y|X) / lp(Y) + cp(X; Y).
"""

import numpy as np
from keras import ops

# A source word that was never looked at costs log(1e-10), not infinity.
UNSEEN = 1e-10
# Beyond this logarithm a penalty times a log-probability overflows float32.
LARGEST = np.log(1e30)


def length_penalties(max_length, length_penalty):
    """The length penalty lp = ((5 + |Y|) / 6) ** length_penalty for every length.

    Args:
        max_length: Int, L, or a scalar tensor.
        length_penalty: Float, alpha: 0 compares log-probabilities, 1 about their mean.

    Returns:
        Float32 `(L + 1,)`, indexed by the length; it is 1 at length 1. Of a tensor it is a tensor,
        held between 1e-30 and 1e30.

    Raises:
        ValueError: If the penalty of a sentence of an int `max_length` leaves 1e-30 to 1e30.

    Example:
    >>> from keras_attention.decoding.penalties import length_penalties
    >>> length_penalties(max_length=7, length_penalty=1.0)[[1, 7]].tolist()
    [1.0, 2.0]

    Reference: Wu et al., "Google's Neural Machine Translation System", 2016, section 7.
    """
    # Computed in logarithms, which cannot overflow, before any power is taken.
    if ops.is_tensor(max_length):
        lengths = ops.cast(ops.arange(max_length + 1), "float32")
        logarithms = length_penalty * ops.log((5.0 + lengths) / 6.0)
        return ops.exp(ops.clip(logarithms, -LARGEST, LARGEST))
    logarithms = length_penalty * np.log((5.0 + np.arange(max_length + 1)) / 6.0)
    if np.abs(logarithms).max() > LARGEST:
        raise ValueError(
            f"Expected a `length_penalty` whose powers up to max_length={max_length} lie between "
            f"1e-30 and 1e30. Received: length_penalty={length_penalty}"
        )
    return np.exp(logarithms).astype("float32")


def largest_to_come(penalties):
    """The largest length penalty that a hypothesis still alive at each length can end with.

    Log-probabilities only fall, so this one gives the best score that it can still reach.

    Args:
        penalties: `(L + 1,)`, as returned by `length_penalties`.

    Returns:
        Float32 `(L + 1,)`: entry n is the largest of the entries after n; they rise or fall all
        the way, so that this is the next one or the last.
    """
    following = ops.append(penalties[1:], penalties[-1:])
    return ops.maximum(following, penalties[-1:])


def coverage(alignments, memory_mask, coverage_penalty):
    """The coverage term cp = coverage_penalty * sum_i log(min(sum_j p_ij, 1)).

    Args:
        alignments: Float `(batch, K, L, S)`, p, zero at tokens that are not emitted.
        memory_mask: Bool `(batch, S)`, True = a real source position i; the others cost nothing.
        coverage_penalty: Float, beta.

    Returns:
        Float `(batch, K)`; or 0.0 if the penalty is 0.

    Reference: Wu et al., "Google's Neural Machine Translation System", 2016, section 7.
    """
    if coverage_penalty == 0.0:
        return 0.0
    seen = ops.clip(ops.sum(alignments, axis=-2), UNSEEN, 1.0)
    costs = ops.where(ops.expand_dims(memory_mask, 1), ops.log(seen), 0.0)
    return coverage_penalty * ops.sum(costs, axis=-1)


def best_coverage_to_come(alignments, memory_mask, coverage_penalty):
    """The largest coverage term that an extension of each hypothesis can have.

    What has been seen stays seen: a positive penalty may still fall to nothing, and a negative
    one, which rewards what is left out, can only lose.

    Args:
        alignments: As in `coverage`.
        memory_mask: As in `coverage`.
        coverage_penalty: As in `coverage`.

    Returns:
        Float `(batch, K)`, or 0.0.
    """
    if coverage_penalty >= 0.0:
        return 0.0
    return coverage(alignments, memory_mask, coverage_penalty)
