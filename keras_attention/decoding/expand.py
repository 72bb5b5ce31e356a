"""One step of beam search: candidates that end, and the best candidates that continue."""

from keras import ops

from keras_attention.decoding.decoded import IMPOSSIBLE_SCORE
from keras_attention.top_k import top_k


def expand_beam(scores, log_probabilities, end_token):
    """Extend every hypothesis by every token and select the most probable candidates.

    Args:
        scores: Float `(batch, K)`, log-probabilities of the live hypotheses.
        log_probabilities: Float `(batch * K, V)`, log-probabilities of their next tokens.
        end_token: Int.

    Returns:
        A tuple `(ended, continued, parents, tokens)`:
        ended: Float `(batch, K)`, the log-probability of each live hypothesis with the end token
            appended; -inf if this candidate is not among the K most probable ones.
        continued: Float `(batch, K)`, the K highest log-probabilities of candidates that do not
            end.
        parents: Int32 `(batch, K)`, the indices of the live hypotheses that the candidates in
            `continued` extend.
        tokens: Int32 `(batch, K)`, the tokens that these candidates append.
    """
    batch, width = ops.shape(scores)
    vocabulary = ops.shape(log_probabilities)[1]
    candidates = ops.reshape(log_probabilities, (batch, width, vocabulary))
    candidates = ops.expand_dims(scores, 2) + candidates
    is_end = ops.arange(vocabulary, dtype="int32") == end_token

    continued = ops.where(is_end, IMPOSSIBLE_SCORE, candidates)
    continued, index = top_k(ops.reshape(continued, (batch, width * vocabulary)), width)

    # The K most probable candidates are among these: the K that end, and the best K that continue.
    ended = ops.max(ops.where(is_end, candidates, IMPOSSIBLE_SCORE), axis=2)
    best = ops.top_k(ops.concatenate([ended, continued], axis=1), width)[0]
    ended = ops.where(ended >= best[:, -1:], ended, IMPOSSIBLE_SCORE)
    return ended, continued, index // vocabulary, index % vocabulary
