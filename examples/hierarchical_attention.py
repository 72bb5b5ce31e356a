"""The hierarchical attention network: words make sentences, sentences make the document.

Hierarchical Attention Networks for Document Classification, Yang et al. (2016),
https://aclanthology.org/N16-1174. Two masks: padding words, and sentences of nothing else, which
read zero. `text_classification.py` trains it.
"""

import math

import keras
import numpy as np
from keras import ops

import keras_attention


def hierarchical(size, pooling="attention", width=50, units=50, dropout=0.2, forget=0.3):
    """Words (batch, sentences, words) -> the probability of a positive review, (batch, 1).

    Args:
        size: How many words there are, padding (0) and the unknown word (1) included.
        pooling: "attention", the paper's HN-ATT, or "average" and "max", its baselines HN-AVE and
            HN-MAX, which differ in nothing else.
        width: Of a word's vector.
        units: Of the recurrent layers, in each direction.
        dropout: Of a sentence's and of the document's vector.
        forget: Share of the words that are left out in training.
    """
    pool_words, pool_sentences = POOLINGS[pooling](), POOLINGS[pooling]()
    whole_words = (None, None, None, 1)
    words = keras.Input((None, None), dtype="int32", name="words")
    vectors = keras.layers.Embedding(size, width, mask_zero=True)(words)
    vectors = keras.layers.Dropout(forget, noise_shape=whole_words)(vectors)
    sentences = pool_words(EachSentence(both_ways(units))(vectors))
    sentences = keras.layers.Dropout(dropout)(sentences)
    document = pool_sentences(both_ways(units)(sentences))
    document = keras.layers.Dropout(dropout)(document)
    return keras.Model(words, keras.layers.Dense(1, activation="sigmoid")(document))


def both_ways(units):
    """The encoder of both levels."""
    return keras.layers.Bidirectional(
        keras.layers.GRU(units, return_sequences=True, use_cudnn=False)
    )


def with_weights(model, words):
    """[the model's output, the weights of each `AttentionPooling` in it], of ids."""
    weights, tensors = [], words
    for layer in model.layers:
        if isinstance(layer, keras_attention.AttentionPooling):
            tensors, found = layer(tensors, return_attention_scores=True)
            weights.append(found)
        elif not isinstance(layer, keras.layers.InputLayer):
            tensors = layer(tensors)
    return [tensors, *weights]


class EachSentence(keras.layers.Wrapper):
    """A layer for (batch, steps, width) over the words of each of a document's sentences."""

    def __init__(self, layer, **kwargs):
        super().__init__(layer, **kwargs)
        self.supports_masking = True

    def build(self, input_shape):
        self.layer.build((None, *input_shape[2:]))

    def call(self, inputs, mask=None):
        shape = ops.shape(inputs)
        if mask is not None:
            mask = ops.reshape(mask, (-1, shape[2]))
        outputs = self.layer(ops.reshape(inputs, (-1, *shape[2:])), mask=mask)
        return ops.reshape(outputs, (*shape[:3], outputs.shape[-1]))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:3], self.layer.compute_output_shape((None, *input_shape[2:]))[-1])


class MaxPooling(keras.layers.Layer):
    """The largest of each feature among the real steps; zeros where no step is real."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs, mask=None):
        if mask is None:
            return ops.max(inputs, axis=-2)
        mask = mask[..., None]
        largest = ops.max(ops.where(mask, inputs, -1e9), axis=-2)
        return ops.where(ops.any(mask, axis=-2), largest, 0.0)

    def compute_mask(self, inputs, mask=None):
        return None if mask is None or len(inputs.shape) < 4 else ops.any(mask, axis=-1)


def average():
    """A zero query scores all steps alike: what is left of the attention is the average."""
    return keras_attention.AttentionPooling(query_initializer="zeros", trainable=False)


POOLINGS = {"attention": keras_attention.AttentionPooling, "average": average, "max": MaxPooling}


def agreement(found, word_weights, sentence_weights, share=0.1):
    """How many of the words that weigh most people marked: means over the documents.

    A word weighs its sentence's weight times its own, which is its share in the document's vector;
    `share` of a document's words are looked at. Even weights, with which a word weighs the more the
    shorter its sentence is, and chance stand beside it. The interval is that of the difference to
    even weights, from 2,000 bootstrap samples of the documents.
    """
    rng, rows = np.random.default_rng(0), []
    for document, of_words, of_sentences in zip(found, word_weights, sentence_weights, strict=True):
        read = list(
            zip(document.sentences, of_words, of_sentences, strict=False)
        )  # the rest is cut
        if not any(sentence for sentence, *_ in read):
            continue
        weights = np.concatenate([whole * w[: len(s)] for s, w, whole in read])
        even = np.concatenate([np.full(len(s[: len(w)]), 1 / max(len(s), 1)) for s, w, _ in read])
        marked = document.marked[: len(weights)]
        ways = [heaviest_first(each, rng) for each in (weights, even)]
        count = math.ceil(share * len(weights))
        tops = [marked[order[:count]].mean() for order in ways]
        rows.append((*tops, marked.mean(), *[average_precision(marked[order]) for order in ways]))
    rows = np.array(rows)
    drawn = rows[rng.integers(len(rows), size=(2000, len(rows)))].mean(axis=1)
    low, high = np.percentile(drawn[:, 0] - drawn[:, 1], [2.5, 97.5])
    marked, even, chance, precision, even_precision = rows.mean(axis=0)
    return {
        f"marked of the top {share:.0%}": round(float(marked), 4),
        "with even weights": round(float(even), 4),
        "marked of all words (chance)": round(float(chance), 4),
        "difference to even weights, 95 %": [round(float(low), 4), round(float(high), 4)],
        "average precision": round(float(precision), 4),
        "average precision with even weights": round(float(even_precision), 4),
    }


def heaviest_first(weights, rng):
    """The places of the weights from the largest to the smallest, of equal ones in any order."""
    return np.lexsort((rng.random(len(weights)), -weights))


def average_precision(marked):
    """The mean, over the marked words, of the share of marked ones among those up to them."""
    ranks = np.flatnonzero(marked) + 1
    return np.mean(np.arange(1, len(ranks) + 1) / ranks) if len(ranks) else 0.0
