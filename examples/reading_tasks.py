"""The tasks of a network that reads: to predict the next word, and the sentiment of a sentence.

A task has the data, makes the networks and measures them. `machine_reading.py` trains them.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from examples.datasets import treebank
from examples.datasets.treebank import LENGTHS, MAX_STEPS, divide_sequence, make_batches
from examples.datasets.words import Words
from examples.reading_network import make_classifier, make_language_model

EVALUATION_LENGTHS = (20, 40, MAX_STEPS)
CLASSES = 5
NEUTRAL = 2
QUICK_COUNT, QUICK_LENGTHS = 48, (24,)  # sentences of each part, and their lengths, of a quick run


class Language:
    """Language model of the Penn Treebank; every sentence is read by itself.

    Args:
        quick: Whether to use a few sentences only.
    """

    def __init__(self, quick=False):
        number, self.lengths = (QUICK_COUNT, QUICK_LENGTHS) if quick else (None, LENGTHS)
        self.sentences = {part: x[:number] for part, x in treebank.load_penn().items()}
        self.words = make_vocabulary(self.sentences["train"], min_count=1)
        self.samples = {part: self.encode(x) for part, x in self.sentences.items()}

    def encode(self, sentences):
        """Return a pair for each sentence: ids, from the start mark on, and the next ids."""
        words, pairs = self.words, []
        for sentence in sentences:
            middle = [words.ids.get(word, words.unknown) for word in sentence]
            ids = np.array([words.start, *middle, words.end], "int32")
            pairs.append((ids[:-1], ids[1:]))
        return pairs

    def make_batches(self, steps, rng):
        """Return shuffled batches for training. Longer sequences are divided."""
        length = self.lengths[-1]
        pieces = [
            piece for pair in self.samples["train"] for piece in divide_sequence(pair, length)
        ]
        return make_batches(pieces, self.lengths, steps, rng)

    def make_networks(self, reader, max_length):
        """Return a model of logits, and one that also returns weights."""
        return make_language_model(reader, max_length)

    def make_loss(self):
        """Return the mean loss of all words."""
        return keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, ignore_class=self.words.padding
        )

    def measure(self, network, part, steps):
        """Return the perplexity per word, end marks included.

        Args:
            network: The model of `make_networks` that returns a dict.
            part: A part of the data.
            steps: Number of steps of a batch.
        """
        cost, count = 0.0, 0
        call = make_call(lambda ids, targets: sum_costs(network(ids)["logits"], targets), 2)
        for ids, next_ids in make_batches(self.samples[part], EVALUATION_LENGTHS, steps):
            cost += float(tf.reduce_sum(call(ids, next_ids)))
            count += np.count_nonzero(next_ids)
        return {f"{part} perplexity": round(float(np.exp(cost / count)), 3)}


class Sentiment:
    """Sentiment of the sentences of the Stanford Sentiment Treebank, in five classes.

    Args:
        quick: Whether to use a few sentences only.
    """

    def __init__(self, quick=False):
        number, self.lengths = (QUICK_COUNT, QUICK_LENGTHS) if quick else (None, (*LENGTHS, 60))
        parts = {
            part: (sentences[:number], labels[:number])
            for part, (sentences, labels) in treebank.load_sentiment().items()
        }
        self.sentences = {part: sentences for part, (sentences, _) in parts.items()}
        self.words = make_vocabulary(self.sentences["train"], min_count=2)
        self.samples = {
            part: list(zip(self.encode(sentences), labels, strict=True))
            for part, (sentences, labels) in parts.items()
        }

    def encode(self, sentences):
        """Return the ids of each sentence; words beyond the largest length are left out."""
        ids, unknown, length = self.words.ids, self.words.unknown, self.lengths[-1]
        return [
            np.array([ids.get(word, unknown) for word in sentence[:length]], "int32")
            for sentence in sentences
        ]

    def make_batches(self, steps, rng):
        """Return shuffled batches for training."""
        return make_batches(self.samples["train"], self.lengths, steps, rng)

    def make_networks(self, reader, max_length):
        """Return a model of logits, and one that also returns weights."""
        return make_classifier(reader, max_length, CLASSES)

    def make_loss(self):
        """Return the mean loss of all sentences."""
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def measure(self, network, part, steps):
        """Return the accuracy of the five classes, and of two.

        The sentiment of two classes is that with the greater sum of the probabilities, among the
        sentences that are not neutral.
        """
        call = make_call(lambda ids: ops.softmax(network(ids)["logits"]), 1)
        batches = make_batches(self.samples[part], self.lengths, steps)
        probabilities = np.concatenate([call(ids) for ids, _ in batches])
        labels = np.concatenate([labels for _, labels in batches])
        is_positive = probabilities[:, NEUTRAL + 1 :].sum(1) > probabilities[:, :NEUTRAL].sum(1)
        is_right = (is_positive == (labels > NEUTRAL))[labels != NEUTRAL]
        return {
            f"{part} accuracy": round(float(np.mean(probabilities.argmax(1) == labels)), 4),
            f"{part} accuracy of two classes": round(float(np.mean(is_right)), 4),
        }


def make_vocabulary(sentences, min_count):
    """Return the `Words` of sentences; "<unk>" in a sentence is the unknown word."""
    without_marks = [[word for word in sentence if word != "<unk>"] for sentence in sentences]
    return Words(without_marks, min_count)


def make_call(function, arguments):
    """Return a TensorFlow function of int32 tensors (batch, T) of any sizes, without XLA.

    One program serves all lengths, which XLA would compile one by one.
    """
    return tf.function(function, [tf.TensorSpec((None, None), tf.int32)] * arguments)


def sum_costs(logits, targets):
    """Return the summed cross entropy of each sentence, (batch,), in nats; target 0 is padding."""
    costs = keras.losses.sparse_categorical_crossentropy(targets, logits, from_logits=True)
    return ops.sum(ops.where(ops.equal(targets, 0), 0.0, costs), axis=-1)


TASKS = {"language": Language, "sentiment": Sentiment}
