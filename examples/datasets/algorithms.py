"""The five tasks of the Neural Turing Machine paper, generated on demand.

An episode is a pair of float32 arrays, inputs `(steps, channels)` and targets `(steps, bits)`. A
target is 0 or 1, or `NOTHING` at steps without an answer. In all tasks but `ngrams`, the inputs are
zero at the steps of the answer. The functions named after the tasks generate one episode each.
Arguments that are None are sampled as in training.

Reference:
    Neural Turing Machines, Graves, Wayne, Danihelka (2014), section 4,
    https://arxiv.org/abs/1410.5401.
"""

import numpy as np

NOTHING = -1
VECTOR = 8  # bits of a vector to copy, to repeat or to sort
ITEM = 3, 6  # number of vectors of an item to recall, and of bits of a vector
CONTEXT = 5  # number of previous bits that determine the probability of the next bit
REPEATS = 5.5, 2.872  # mean and standard deviation of the number of repeats in training


def copy(rng, length=None):
    """Generate `length` vectors and a delimiter; the targets are the vectors."""
    length = rng.integers(1, 21) if length is None else length
    vectors = rng.integers(0, 2, (length, VECTOR))
    return _episode([_channels(vectors, 1), _mark(VECTOR + 1, VECTOR)], vectors)


def repeat_copy(rng, length=None, repeats=None):
    """Generate an episode of `copy` with a number of repeats, and an end mark after the targets.

    The inputs have the number of repeats, normalized, at the step of the delimiter.
    """
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
    """Generate items with delimiters, then one of the items between two query marks.

    The target is the item that follows the queried one.
    """
    items = rng.integers(2, 7) if items is None else items
    vectors, bits = ITEM
    sequence = rng.integers(0, 2, (items, vectors, bits))
    queried = rng.integers(items - 1)  # not the last item, which has no next one
    delimiter, query = (_mark(bits + 2, channel) for channel in (bits, bits + 1))
    parts = [part for item in sequence for part in (delimiter, _channels(item, 2))]
    parts += [query, _channels(sequence[queried], 2), query]
    return _episode(parts, sequence[queried + 1])


def ngrams(rng, length=200):
    """Generate bits that depend on the previous five; each target is the next bit."""
    table = rng.beta(0.5, 0.5, 2**CONTEXT)
    bits = rng.integers(0, 2, length)
    for step in range(CONTEXT, length):
        bits[step] = rng.random() < table[_number(bits[step - CONTEXT : step])]
    previous = np.append(0, bits[:-1])
    return previous[:, None].astype("float32"), bits[:, None].astype("float32")


def priority_sort(rng, vectors=20, sorted=16):
    """Generate vectors with priorities.

    The targets are the `sorted` vectors of highest priority, in the order of their priorities.
    """
    inputs = _channels(rng.integers(0, 2, (vectors, VECTOR)), 2)
    inputs[:, VECTOR] = rng.uniform(-1, 1, vectors)
    first = np.argsort(-inputs[:, VECTOR])[:sorted]
    return _episode([inputs, _mark(VECTOR + 2, VECTOR + 1)], inputs[first, :VECTOR])


def compute_optimal_bits(targets):
    """Return the cross entropy of the optimal predictor of an episode of `ngrams`, in bits.

    The optimal predictor knows the prior: P(1 | context) = (N1 + 1/2) / (N0 + N1 + 1) (equation
    10), where N0 and N1 count the zeros and ones that have followed this context before. The first
    five bits, which have no context, cost one bit each.
    """
    bits = targets.ravel().astype(int)
    counts, cost = np.full((2**CONTEXT, 2), 0.5), float(CONTEXT)
    for step in range(CONTEXT, len(bits)):
        context = _number(bits[step - CONTEXT : step])
        cost -= np.log2(counts[context, bits[step]] / counts[context].sum())
        counts[context, bits[step]] += 1
    return cost


def count_vectors_written_twice(written, expected):
    """Count the vectors that are written twice in a row, which shifts all later vectors.

    Args:
        written, expected: `(length, bits)`, of the same length: `written` lacks the vectors that
            are shifted past the end.

    Returns:
        The number of vectors written twice; None if there is any other error.
    """
    index, twice = 0, 0
    for vector in written:
        if np.array_equal(vector, expected[index]):
            index += 1
        elif index and np.array_equal(vector, expected[index - 1]):
            twice += 1
        else:
            return None
    return twice


def make_batch(task, count, rng, steps=None, **options):
    """Generate a batch: inputs `(count, steps, channels)` and targets `(count, steps, bits)`.

    Args:
        task: One of the functions above.
        count: Number of episodes.
        rng: `numpy.random.Generator`.
        steps: Length to which the episodes are padded with 0 and `NOTHING`; None for the length of
            the longest episode.
        **options: Arguments of the task, such as `length=40`.
    """
    generated = [task(rng, **options) for _ in range(count)]
    steps = max(len(inputs) for inputs, _ in generated) if steps is None else steps
    (_, channels), (_, bits) = (part.shape for part in generated[0])
    inputs = np.zeros((count, steps, channels), "float32")
    targets = np.full((count, steps, bits), NOTHING, "float32")
    for row, (row_inputs, row_targets) in enumerate(generated):
        inputs[row, : len(row_inputs)] = row_inputs
        targets[row, : len(row_targets)] = row_targets
    return inputs, targets


def _channels(vectors, count):
    """Append `count` channels of zeros to the vectors."""
    return np.pad(vectors.astype("float32"), [(0, 0), (0, count)])


def _mark(channels, channel):
    """Return one step with a 1 in one channel."""
    return np.eye(channels, dtype="float32")[[channel]]


def _episode(parts, answer):
    """Return an episode: the inputs are the parts, and the answer is the target of later steps."""
    inputs = np.concatenate(parts)
    targets = np.pad(answer, [(len(inputs), 0), (0, 0)], constant_values=NOTHING)
    inputs = np.pad(inputs, [(0, len(answer)), (0, 0)])
    return inputs, targets.astype("float32")


def _number(bits):
    """Convert bits, most significant bit first, to a number."""
    return bits @ 2 ** np.arange(len(bits))[::-1]
