"""Networks that read sentences by an LSTM, or by one that attends to its own past (LSTMN)."""

from typing import NamedTuple

import keras
from keras import layers, ops

import keras_attention
from keras_attention import Dropout

MODELS = ("lstmn", "lstm")


class Reader(NamedTuple):
    """The size of a network, apart from its outputs.

    model: "lstmn" or "lstm"; size: number of ids, 0 is padding; units: width of the states;
    embedding: width of the word vectors; dropout: rate, of the word vectors and of the states.
    """

    model: str
    size: int
    units: int = 300
    embedding: int = 150
    dropout: float = 0.3


def read(reader, max_length):
    """Return inputs ids (batch, T), states (batch, T, units), and the weights over the past.

    The weights are (batch, T, max_length), or None for an LSTM.

    Args:
        reader: A `Reader`.
        max_length: Number of steps that an LSTMN can keep. No weight's shape depends on it.
    """
    ids = keras.Input((None,), dtype="int32", name="ids")
    vectors = layers.Embedding(reader.size, reader.embedding, mask_zero=True)(ids)
    vectors = Dropout(reader.dropout)(vectors)
    if reader.model == "lstm":
        cell = layers.LSTMCell(reader.units)
        return ids, layers.RNN(cell, return_sequences=True)(vectors), None
    cell = keras_attention.LSTMNCell(reader.units, max_length, return_weights=True)
    steps = cell.split_outputs(layers.RNN(cell, return_sequences=True)(vectors))
    return ids, steps.outputs, steps.weights


def make_language_model(reader, max_length):
    """Return a model: ids -> logits of the next words, and one that also returns the weights.

    The second one has the same layers. It returns a dict of "logits" (batch, T, size), and, for an
    LSTMN, "weights" (batch, T, max_length).
    """
    ids, states, weights = read(reader, max_length)
    logits = layers.Dense(reader.size)(Dropout(reader.dropout)(states))
    return _make_pair(ids, logits, weights)


def make_classifier(reader, max_length, classes):
    """Return a model: ids -> logits of classes, and one that also returns the weights.

    As in the paper, the mean of all states goes through a layer of rectified linear units.
    """
    ids, states, weights = read(reader, max_length)
    is_real = ops.cast(ops.not_equal(ids, 0), "float32")[..., None]
    count = ops.maximum(ops.sum(is_real, axis=1), 1.0)  # not 0 for an empty sentence
    mean = ops.sum(Dropout(reader.dropout)(states) * is_real, axis=1) / count
    hidden = layers.Dense(reader.units, activation="relu")(mean)
    logits = layers.Dense(classes)(Dropout(reader.dropout)(hidden))
    return _make_pair(ids, logits, weights)


def _make_pair(ids, logits, weights):
    outputs = {"logits": logits} | ({} if weights is None else {"weights": weights})
    return keras.Model(ids, logits), keras.Model(ids, outputs)
