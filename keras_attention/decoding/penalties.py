"""Length and coverage penalties of Wu et al. (2016): score = log P(Y|X) / lp(Y) + cp(X; Y)."""

import numpy as np
from keras import ops

# A source position without any attention costs log(1e-10) instead of infinity.
MIN_COVERAGE = 1e-10
# The product of a larger length penalty and a log-probability could overflow float32.
MAX_LOG_PENALTY = np.log(1e30)


def length_penalties(max_length, length_penalty):
    """Return the length penalty lp = ((5 + |Y|) / 6) ** length_penalty for every length |Y|.

    Args:
        max_length: Int, L, or a scalar tensor.
        length_penalty: Float, alpha: 0 compares log-probabilities, 1 approximately their means.

    Returns:
        Float32 `(L + 1,)`, indexed by the length; lp is 1 at length 1. If `max_length` is an int,
        this is a numpy array. If it is a tensor, this is a tensor, clipped to [1e-30, 1e30].

    Raises:
        ValueError: If `max_length` is an int and lp leaves [1e-30, 1e30] for any length.

    Example:
    >>> from keras_attention.decoding.penalties import length_penalties
    >>> length_penalties(max_length=7, length_penalty=1.0)[[1, 7]].tolist()
    [1.0, 2.0]

    Reference: Wu et al., "Google's Neural Machine Translation System", 2016, section 7.
    """
    # The logarithms cannot overflow, so the range is checked before the power is computed.
    if ops.is_tensor(max_length):
        lengths = ops.cast(ops.arange(max_length + 1), "float32")
        logarithms = length_penalty * ops.log((5.0 + lengths) / 6.0)
        return ops.exp(ops.clip(logarithms, -MAX_LOG_PENALTY, MAX_LOG_PENALTY))
    logarithms = length_penalty * np.log((5.0 + np.arange(max_length + 1)) / 6.0)
    if np.abs(logarithms).max() > MAX_LOG_PENALTY:
        raise ValueError(
            "Expected ((5 + length) / 6) ** `length_penalty` to be between 1e-30 and 1e30 for all "
            f"lengths up to max_length={max_length}. Received: length_penalty={length_penalty}"
        )
    return np.exp(logarithms).astype("float32")


def max_remaining_penalty(penalties):
    """Return the largest length penalty with which a hypothesis of each length can still end.

    Log-probabilities only decrease, so dividing by this penalty gives an upper bound of the final
    score.

    Args:
        penalties: `(L + 1,)`, as returned by `length_penalties`.

    Returns:
        Float32 `(L + 1,)`: entry n is the maximum of the entries after n. The penalties are
        monotonic, so this is the next entry or the last one.
    """
    next_penalties = ops.append(penalties[1:], penalties[-1:])
    return ops.maximum(next_penalties, penalties[-1:])


def coverage(alignments, memory_mask, coverage_penalty):
    """Return the coverage term cp = coverage_penalty * sum_i log(min(sum_j p_ij, 1)).

    Args:
        alignments: Float `(batch, K, L, S)`, p, zero at tokens that are not emitted.
        memory_mask: Bool `(batch, S)`, True = a real source position; the sum over i leaves out
            the others.
        coverage_penalty: Float, beta.

    Returns:
        Float `(batch, K)`; or 0.0 if the penalty is 0.

    Reference: Wu et al., "Google's Neural Machine Translation System", 2016, section 7.
    """
    if coverage_penalty == 0.0:
        return 0.0
    covered = ops.clip(ops.sum(alignments, axis=-2), MIN_COVERAGE, 1.0)
    costs = ops.where(ops.expand_dims(memory_mask, 1), ops.log(covered), 0.0)
    return coverage_penalty * ops.sum(costs, axis=-1)


def max_remaining_coverage(alignments, memory_mask, coverage_penalty):
    """Return the largest coverage term that an extension of each hypothesis can have.

    Coverage only increases. With a positive penalty, the term is at most 0 and can still reach 0.
    With a negative penalty, which rewards uncovered positions, the current term is the maximum.

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
