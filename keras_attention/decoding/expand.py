"""One step of a beam: which candidates end, and which go on."""

from keras import ops

from keras_attention.decoding.decoded import IMPOSSIBLE


def expand(scores, log_probabilities, end_token):
    """Extends every hypothesis by every token and keeps the likeliest of these candidates.

    Args:
        scores: Float `(batch, K)`, log-probabilities of the hypotheses alive.
        log_probabilities: Float `(batch * K, V)` of their next tokens.
        end_token: Int.

    Returns:
        ending: Float `(batch, K)`, the log-probability of each hypothesis with the end token
            after it; -inf where this is not among the K likeliest of all candidates.
        going_on: Float `(batch, K)`, the K highest log-probabilities without the end token.
        parents: Int32 `(batch, K)`, which hypotheses those extend.
        tokens: Int32 `(batch, K)`, by which tokens.
    """
    batch, width = ops.shape(scores)
    vocabulary = ops.shape(log_probabilities)[1]
    candidates = ops.reshape(log_probabilities, (batch, width, vocabulary))
    candidates = ops.expand_dims(scores, 2) + candidates
    is_end = ops.arange(vocabulary, dtype="int32") == end_token

    going_on = ops.where(is_end, IMPOSSIBLE, candidates)
    going_on, chosen = ops.top_k(ops.reshape(going_on, (batch, width * vocabulary)), width)
    chosen = ops.cast(chosen, "int32")

    # The K likeliest of all candidates are among the K that may end and the K that go on.
    ending = ops.max(ops.where(is_end, candidates, IMPOSSIBLE), axis=2)
    likeliest = ops.top_k(ops.concatenate([ending, going_on], axis=1), width)[0]
    ending = ops.where(ending >= likeliest[:, -1:], ending, IMPOSSIBLE)
    return ending, going_on, chosen // vocabulary, chosen % vocabulary
