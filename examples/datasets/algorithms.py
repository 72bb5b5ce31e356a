"""The five tasks of the Neural Turing Machine, made up as they are asked for.

An episode is a pair of float32 arrays, inputs `(steps, channels)` and targets `(steps, bits)`. A
target is 0 or 1, or `NOTHING` where the paper asks for no answer; while an answer is given there
is no input. Every function draws one episode; what it is not told, it draws as in training.

Reference:
    Neural Turing Machines, Graves, Wayne, Danihelka (2014), section 4,
    https://arxiv.org/abs/1410.5401.
"""

import numpy as np

NOTHING = -1
VECTOR = 8  # bits of a vector to copy, to repeat or to sort
ITEM = 3, 6  # vectors of an item to recall, and their bits
CONTEXT = 5  # bits on which the next one depends in an n-gram
REPEATS = 5.5, 2.872  # mean and deviation of the number of repeats in training


def copy(rng, length=None):
    """`length` vectors and a delimiter; to be written: the vectors."""
    length = rng.integers(1, 21) if length is None else length
    vectors = rng.integers(0, 2, (length, VECTOR))
    return _episode([_channels(vectors, 1), _mark(VECTOR + 1, VECTOR)], vectors)


def repeat_copy(rng, length=None, repeats=None):
    """As `copy`, with a number of repeats at the delimiter; then an end mark on its own channel."""
    length = rng.integers(1, 11) if length is None else length
    repeats = rng.integers(1, 11) if repeats is None else repeats
    vectors = rng.integers(0, 2, (length, VECTOR))
    delimiter = _mark(VECTOR + 2, VECTOR)
    delimiter[0, -1] = (repeats - REPEATS[0]) / REPEATS[1]
    answer = np.concatenate(
        [np.tile(_channels(vectors, 1), (repeats, 1)), _mark(VECTOR + 1, VECTOR)]
    )
    return _episode([_channels(vectors, 2), delimiter], answer)


def associative_recall(rng, items=None):
    """Items after a delimiter each, then one of them between query marks; the item after it."""
    items = rng.integers(2, 7) if items is None else items
    vectors, bits = ITEM
    shown = rng.integers(0, 2, (items, vectors, bits))
    queried = rng.integers(items - 1)  # never the last: none comes after it
    delimiter, query = (_mark(bits + 2, channel) for channel in (bits, bits + 1))
    parts = [part for item in shown for part in (delimiter, _channels(item, 2))]
    parts += [query, _channels(shown[queried], 2), query]
    return _episode(parts, shown[queried + 1])


def ngrams(rng, length=200):
    """Bits that depend on the five before, each to be predicted from all before it."""
    table = rng.beta(0.5, 0.5, 2**CONTEXT)
    bits = rng.integers(0, 2, length)
    for step in range(CONTEXT, length):
        bits[step] = rng.random() < table[_number(bits[step - CONTEXT : step])]
    before = np.append(0, bits[:-1])
    return before[:, None].astype("float32"), bits[:, None].astype("float32")


def priority_sort(rng, vectors=20, sorted=16):
    """Vectors with a priority each and a delimiter; those of the highest priorities, in order."""
    shown = _channels(rng.integers(0, 2, (vectors, VECTOR)), 2)
    shown[:, VECTOR] = rng.uniform(-1, 1, vectors)
    first = np.argsort(-shown[:, VECTOR])[:sorted]
    return _episode([shown, _mark(VECTOR + 2, VECTOR + 1)], shown[first, :VECTOR])


def optimal_bits(targets):
    """What the best predictor of an episode of `ngrams` pays for it, knowing the prior, in bits.

    Equation 10: P(1 | context) = (N1 + 1/2) / (N0 + N1 + 1), of what has followed that context. The
    first five bits, which have none, cost a bit each.
    """
    bits = targets.ravel().astype(int)
    counts, paid = np.full((2**CONTEXT, 2), 0.5), float(CONTEXT)
    for step in range(CONTEXT, len(bits)):
        context = _number(bits[step - CONTEXT : step])
        paid -= np.log2(counts[context, bits[step]] / counts[context].sum())
        counts[context, bits[step]] += 1
    return paid


def vectors_written_twice(written, shown):
    """How many vectors of `shown` stand twice in a row in `written`, which pushes the others back.

    Args:
        written, shown: `(length, bits)`, of the same length: what is pushed off the end is lost.

    Returns:
        The number; None if there is any other error.
    """
    following, twice = 0, 0
    for vector in written:
        if np.array_equal(vector, shown[following]):
            following += 1
        elif following and np.array_equal(vector, shown[following - 1]):
            twice += 1
        else:
            return None
    return twice


def episodes(task, count, rng, steps=None, **told):
    """A batch: inputs `(count, steps, channels)` and targets `(count, steps, bits)`.

    Args:
        task: One of the functions above.
        count: How many episodes.
        rng: `numpy.random.Generator`.
        steps: Steps of all of them, 0 and `NOTHING` after an episode's end; None for as many as
            the longest has.
        **told: What the task is told, as `length=40`.
    """
    drawn = [task(rng, **told) for _ in range(count)]
    steps = max(len(inputs) for inputs, _ in drawn) if steps is None else steps
    (_, channels), (_, bits) = (part.shape for part in drawn[0])
    inputs = np.zeros((count, steps, channels), "float32")
    targets = np.full((count, steps, bits), NOTHING, "float32")
    for row, (given, asked) in enumerate(drawn):
        inputs[row, : len(given)], targets[row, : len(asked)] = given, asked
    return inputs, targets


def _channels(vectors, more):
    """Vectors with `more` channels behind them, in which is nothing."""
    return np.pad(vectors.astype("float32"), [(0, 0), (0, more)])


def _mark(channels, channel):
    """One step with a mark in one channel."""
    return np.eye(channels, dtype="float32")[[channel]]


def _episode(shown, answer):
    """What is shown, part after part, and then the answer."""
    shown = np.concatenate(shown)
    inputs = np.pad(shown, [(0, len(answer)), (0, 0)])
    targets = np.pad(answer, [(len(shown), 0), (0, 0)], constant_values=NOTHING)
    return inputs, targets.astype("float32")


def _number(bits):
    """Bits as a number, the first one the highest."""
    return bits @ 2 ** np.arange(len(bits))[::-1]
