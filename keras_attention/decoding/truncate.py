"""The candidates of sampling: the most probable tokens, by top-k and top-p."""

from keras import ops

from keras_attention.decoding.decoded import IMPOSSIBLE_SCORE
from keras_attention.top_k import top_k as find_top_k

# A sum of probabilities that is smaller than `top_p` by less than this counts as equal to it, so
# that rounding does not add a candidate.
TOLERANCE = 1e-6
MIN_TEMPERATURE = 1e-30


def select_candidates(log_probabilities, temperature, top_k, top_p):
    """Return the candidates of each row, most probable first; equal ones in the order of their ids.

    Args:
        log_probabilities: Float32 `(batch, V)`.
        temperature: Float32, `()` or `(batch, 1)`.
        top_k: Int, the maximum number of candidates; None = V.
        top_p: Float32, `()` or `(batch, 1)`: the candidates are the fewest whose probabilities
            sum to at least this share of all that `top_k` leaves; None = all.

    Returns:
        Log-probabilities `(batch, K)` of the K most probable tokens, -inf for those that are no
        candidates; and the tokens, int32 `(batch, K)`.

    Example:
    >>> from keras_attention.decoding.truncate import select_candidates
    >>> logs = np.log(np.array([[0.1, 0.5, 0.4]], "float32"))
    >>> select_candidates(logs, 1.0, None, 0.8)[1].numpy()[0, :2]
    array([1, 2], dtype=int32)
    """
    vocabulary = ops.shape(log_probabilities)[1]
    if top_k is not None:
        vocabulary = (
            min(top_k, vocabulary)
            if isinstance(vocabulary, int)
            else ops.minimum(top_k, vocabulary)
        )
    candidates, tokens = find_top_k(log_probabilities, vocabulary)
    if top_p is None:
        return candidates, tokens
    is_possible = candidates > IMPOSSIBLE_SCORE
    differences = ops.where(is_possible, candidates - candidates[:, :1], IMPOSSIBLE_SCORE)
    shares = ops.exp(differences / ops.maximum(temperature, MIN_TEMPERATURE))
    totals = ops.cumsum(shares, axis=1)
    is_needed = totals - shares < (top_p - TOLERANCE) * totals[:, -1:]
    is_first = ops.arange(ops.shape(tokens)[1], dtype="int32") == 0
    is_candidate = ops.logical_or(ops.logical_or(is_needed, is_first), top_p >= 1.0)
    return ops.where(is_candidate, candidates, IMPOSSIBLE_SCORE), tokens
