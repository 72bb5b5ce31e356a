"""Tiny Shakespeare from TensorFlow Datasets: characters, and windows of the text as batches.

    texts = load_texts()
    characters = Characters(texts["train"])
    ids = characters.encode(texts["train"])
    batches = sample_windows(ids, 128, 16, np.random.default_rng(0))

The splits of TFDS are consecutive parts of one text of 1,115,394 characters: 90 % for training, 5 %
for validation, 5 % for the test.
"""

import numpy as np
import tensorflow_datasets as tfds

PARTS = ("train", "validation", "test")
# Of the characters that a masked language model predicts, as in BERT (Devlin et al. 2019).
MASKED_SHARE, HIDDEN_SHARE, RANDOM_SHARE = 0.15, 0.8, 0.1
NO_TARGET = -1  # the target of a character that is not predicted


def load_texts(data_dir=None):
    """Return {split: text} of the three splits.

    Args:
        data_dir: The TFDS data directory; None for the default.
    """
    splits = tfds.load("tiny_shakespeare", split=list(PARTS), data_dir=data_dir)
    examples = [next(iter(tfds.as_numpy(split))) for split in splits]
    return {part: example["text"].decode() for part, example in zip(PARTS, examples, strict=True)}


class Characters:
    """Conversion of characters to ids and back: ids are positions in the sorted `characters`.

    The id `masked`, one more than the largest, stands for a masked or unknown character.

    >>> Characters("hello").encode("hole!").tolist()
    [1, 3, 2, 0, 4]
    """

    def __init__(self, text):
        self.characters = "".join(sorted(set(text)))
        self.ids = {character: id for id, character in enumerate(self.characters)}
        self.masked = len(self.characters)

    def __len__(self):
        return len(self.characters)

    def encode(self, text):
        """Return the ids of a text, int32 (length,)."""
        return np.array([self.ids.get(character, self.masked) for character in text], "int32")

    def decode(self, ids):
        """Return the text of ids (length,); U+FFFD is a masked or unknown character."""
        return "".join([*self.characters, "\ufffd"][id] for id in ids)


def cut_windows(ids, context, begin=0):
    """Cut a text into consecutive windows; return ids and next ids, both int32 (N, context).

    Args:
        ids: The ids of the text, (length,).
        context: Number of characters in a window.
        begin: Position of the first window. Characters after the last full window are left out.
    """
    index = np.arange(begin, len(ids) - context, context)[:, None] + np.arange(context)
    return ids[index], ids[index + 1]


def sample_windows(ids, context, batch, rng):
    """Return shuffled batches of windows: a list of ids and next ids, int32 (batch, context).

    The windows are consecutive and begin at a random position, so that a pass over them predicts
    almost every character once. Windows that do not fill a batch are left out.

    Args:
        ids: The ids of the text, (length,).
        context: Number of characters in a window.
        batch: Number of windows in a batch.
        rng: A `numpy.random.Generator`.
    """
    inputs, targets = cut_windows(ids, context, rng.integers(context))
    order = rng.permutation(len(inputs))
    rows = [order[first : first + batch] for first in range(0, len(order) - batch + 1, batch)]
    return [(inputs[row], targets[row]) for row in rows]


def mask_characters(ids, masked, rng):
    """Return inputs and targets of a masked language model (Devlin et al. 2019, section 3.1).

    A character is predicted with probability 15 %. Its input is then the id `masked` (80 %), a
    random character (10 %), or itself (10 %).

    Args:
        ids: Int32 array of ids below `masked`.
        masked: The id of a masked character.
        rng: A `numpy.random.Generator`.

    Returns:
        Inputs, and targets: the id of each character that is predicted, `NO_TARGET` elsewhere.
    """
    is_predicted = rng.random(ids.shape) < MASKED_SHARE
    kind = rng.random(ids.shape)
    random_ids = rng.integers(masked, size=ids.shape, dtype="int32")
    replacement = np.where(kind < HIDDEN_SHARE + RANDOM_SHARE, random_ids, ids)
    replacement = np.where(kind < HIDDEN_SHARE, masked, replacement)
    inputs = np.where(is_predicted, replacement, ids).astype("int32")
    return inputs, np.where(is_predicted, ids, NO_TARGET).astype("int32")
