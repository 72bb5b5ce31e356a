"""Memory networks (Sukhbaatar et al. 2015) for batches, in loops over samples and hops."""

import numpy as np

from tests import reference, reference_hops
from tests.fuzz.references.query_value import attend


def hop_by_hop(query, memories, visible, score, weigh, activation, matrix=None):
    """Return the last queries `(batch, Tq, D)` and the weights `(batch, hops, Tq, S)`.

    Args:
        query: `(batch, Tq, D)`.
        memories: For each hop, keys and values `(batch, S, D)`.
        visible: Bool `(batch, Tq, S)`.
        score, weigh: As in `query_value.attend`.
        activation: Function of the sum after each hop.
        matrix: H of section 2.2, or None for equation 4.
    """
    rows = []
    for keys, values in memories:
        context, weights = attend(score, weigh, query, values, keys, visible)
        if matrix is not None:
            query = np.array([[reference.times(q, matrix) for q in row] for row in query])
        query = activation(query + context)
        rows.append(weights)
    return query, np.stack(rows, axis=1)


def embed_sentences(ids, embeddings, encoding, length):
    """Return the vectors `(batch, S, width)` of sentences of ids `(batch, S, J)`."""
    return np.array(
        [
            [reference_hops.bag_of_words(words, embeddings, encoding, length) for words in sample]
            for sample in ids
        ]
    )
