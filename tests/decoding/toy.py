"""A random toy language with a memory: a decoding step in Keras ops, and the same in numpy."""

from typing import Any, NamedTuple

import numpy as np
from keras import ops

START, END, PAD = 0, 1, -7


class Source(NamedTuple):
    """The step's memory: a nest that contains a None."""

    values: Any
    mask: Any
    empty: Any = None


class Toy:
    """A language whose next token, alignment and state depend on all previous tokens."""

    def __init__(self, seed, vocabulary=3, batch=2, source=5, units=7):
        random = np.random.default_rng(seed)
        self.batch, self.vocabulary = batch, vocabulary
        self.first = random.normal(size=(batch, units))
        self.values = random.normal(size=(batch, source, units))
        self.mask = np.arange(source) < np.array([source, source - 2, 1, 2])[:batch, None]
        self.embed = random.normal(size=(vocabulary, units))
        self.recur = random.normal(size=(units, units)) / 2
        self.score_kernel = random.normal(size=(units, units))
        self.emit = random.normal(size=(units, vocabulary))
        self.total_bias = random.normal(size=(3, vocabulary))

    def state(self):
        """Return a nested state: float `hidden` and the int sum of the tokens so far."""
        return {
            "hidden": ops.convert_to_tensor(self.first.astype("float32")),
            "sums": [ops.zeros((self.batch,), dtype="int32")],
        }

    def memory(self):
        """Return the memory of all rows."""
        return Source(
            ops.convert_to_tensor(self.values.astype("float32")), ops.convert_to_tensor(self.mask)
        )

    def step(self, tokens, state, memory):
        """Run one step of all rows, as a user's `step` does."""
        assert isinstance(memory, Source)
        assert memory.empty is None

        def weight(name):
            return ops.convert_to_tensor(getattr(self, name).astype("float32"))

        hidden = ops.tanh(
            ops.matmul(state["hidden"], weight("recur")) + ops.take(weight("embed"), tokens, axis=0)
        )
        total = state["sums"][0] + tokens
        scores = ops.einsum("nu,nsu->ns", ops.matmul(hidden, weight("score_kernel")), memory.values)
        alignment = ops.softmax(ops.where(memory.mask, scores, -1e9))
        context = ops.einsum("ns,nsu->nu", alignment, memory.values)
        logits = ops.matmul(hidden + context, weight("emit"))
        logits = logits + ops.take(weight("total_bias"), total % 3, axis=0)
        return logits, {"hidden": hidden, "sums": [total]}, alignment

    def start(self, row):
        """Return the initial state of one row, in numpy."""
        return self.first[row], 0

    def advance(self, token, state, row):
        """Run the same step for one row: return log-probabilities, state, alignment in float64."""
        hidden = np.tanh(state[0] @ self.recur + self.embed[token])
        total = state[1] + token
        unmasked_values = self.values[row][self.mask[row]]
        scores = unmasked_values @ (hidden @ self.score_kernel)
        weights = np.exp(scores - scores.max())
        weights /= weights.sum()
        logits = (hidden + weights @ unmasked_values) @ self.emit + self.total_bias[total % 3]
        alignment = np.zeros(len(self.mask[row]))
        alignment[self.mask[row]] = weights
        logits -= logits.max()
        return logits - np.log(np.exp(logits).sum()), (hidden, total), alignment


def table_step(table, alignments=None):
    """Return a step whose p(next token | last token) is a table (V, V).

    `alignments` (V, S) is a table of the alignment by last token.
    """

    def step(tokens, state, memory):
        logits = ops.log(ops.convert_to_tensor(np.asarray(table, "float32")))
        weights = None
        if alignments is not None:
            weights = ops.take(np.asarray(alignments, "float32"), tokens, axis=0)
        return ops.take(logits, tokens, axis=0), state, weights

    return step
