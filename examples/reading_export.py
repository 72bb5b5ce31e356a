"""The exports of networks that read: text to next words, perplexity or sentiment, and weights."""

import numpy as np
import tensorflow as tf
from keras import ops

import keras_attention
from examples.datasets.treebank import MAX_STEPS
from examples.fixed_sizes import fix_sizes
from examples.reading_tasks import sum_costs

CHOICES = 10  # number of next words that are returned
TEXTS = [b"the company said it", b"", b"shares fell in new york stock exchange trading yesterday"]


def split_at_spaces(text):
    """Return the words of texts (batch,) in lower case, a ragged tensor, by TensorFlow operations.

    Punctuation is a word if it stands between spaces, as in the treebanks.
    """
    return tf.strings.split(tf.strings.lower(text, "utf-8"))


def split_for_penn(text):
    """Split at spaces, and write numbers as the Penn Treebank here does, "N"."""
    words = split_at_spaces(text)
    return words.with_values(tf.strings.regex_replace(words.values, r"^(n|\d[\d.,]*)$", "N"))


def make_splitter(words, start=None, split_text=split_at_spaces, length=MAX_STEPS):
    """Return a function that splits texts by TensorFlow operations, and its lookup table.

    The function maps texts (batch,) to words and ids, both (batch, T), at least one and at most
    `length` steps, padded on the right with "" and 0. Further words are left out.

    Args:
        words: A `Words`.
        start: Id of a mark before the first word, or None.
        split_text: Function of texts (batch,) that returns a ragged tensor of words.
        length: Largest number of steps.
    """
    numbers = tf.range(len(words), dtype=tf.int32)
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(words.words, numbers), words.unknown
    )

    def split(text):
        if start is not None:
            text = tf.strings.join([words.words[start], text], separator=" ")
        split_words = split_text(text)[:, :length].to_tensor("")
        if start is None:  # even a batch of empty texts needs a step
            split_words = tf.pad(split_words, [(0, 0), (0, 1)])[:, :length]
        return split_words, table.lookup(split_words)

    return split, table


def describe(split_words, ids, outputs):
    """Return the words and the weights of each step, of sizes that the batch does not change."""
    if "weights" not in outputs:  # an LSTM
        return {}
    weights = tf.where((ids > 0)[..., None], outputs["weights"], 0.0)  # also of padding steps
    return {
        "read": fix_sizes(split_words, (MAX_STEPS,)),
        "weights": fix_sizes(weights, (MAX_STEPS, MAX_STEPS)),
    }


def make_language_signatures(network, words):
    """Return `next_word` and `perplexity`, functions of texts, and their lookup table.

    `next_word` returns the most probable words and the end mark among them, without the unknown
    word, with their probabilities, and the weights with which each step read the steps before.
    """
    split, table = make_splitter(words, words.start, split_for_penn)
    vocabulary = tf.constant(words.words)
    first = words.start + 1  # the special ids before are not returned

    @tf.function
    def next_word(text):
        split_words, ids = split(text)
        outputs = network(ids, training=False)
        last = tf.math.count_nonzero(ids, axis=1, dtype=tf.int32) - 1
        probabilities = ops.softmax(tf.gather(outputs["logits"], last, batch_dims=1))
        best = tf.math.top_k(probabilities[:, first:], min(CHOICES, len(words) - first))
        return {
            "words": tf.gather(vocabulary, first + best.indices),
            "probabilities": best.values,
            **describe(split_words, ids, outputs),
        }

    @tf.function
    def perplexity(text):
        _, ids = split(text)
        count = tf.math.count_nonzero(ids, axis=1, keepdims=True, dtype=tf.int32)
        next_ids = tf.pad(ids[:, 1:], [(0, 0), (0, 1)])
        next_ids = tf.where(tf.range(tf.shape(ids)[1]) == count - 1, words.end, next_ids)
        costs = sum_costs(network(ids, training=False)["logits"], next_ids)
        return {"perplexity": tf.exp(costs / tf.cast(count[:, 0], tf.float32))}

    return {"next_word": next_word, "perplexity": perplexity}, split, table


def make_sentiment_signatures(network, words):
    """Return `classify`, a function of texts: class, probabilities and weights; and its table."""
    split, table = make_splitter(words)

    @tf.function
    def classify(text):
        split_words, ids = split(text)
        outputs = network(ids, training=False)
        probabilities = ops.softmax(outputs["logits"])
        return {
            "label": tf.argmax(probabilities, axis=-1),
            "probabilities": probabilities,
            **describe(split_words, ids, outputs),
        }

    return {"classify": classify}, split, table


SIGNATURES = {"language": make_language_signatures, "sentiment": make_sentiment_signatures}


def export(network, task, words, directory):
    """Export a SavedModel with the signatures of a task; return its path.

    Args:
        network: A model that returns a dict, with weights of `MAX_STEPS` steps.
        task: A key of `SIGNATURES`.
        words: A `Words`.
        directory: Folder of the versions.
    """
    functions, split, table = SIGNATURES[task](network, words)
    spec = [tf.TensorSpec((None,), tf.string, name="text")]
    path = keras_attention.export.saved_model(
        network,
        directory,
        signatures={name: (function, spec, [table]) for name, function in functions.items()},
        example=[
            {"text": np.array(texts), "ids": split(tf.constant(texts))[1].numpy()}
            for texts in (TEXTS[:1], TEXTS)
        ],
    )
    print(keras_attention.export.how_to_serve(path))
    return path
