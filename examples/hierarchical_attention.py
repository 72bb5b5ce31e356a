"""The hierarchical attention network (HAN), which pools words to sentences to a document.

Hierarchical Attention Networks for Document Classification, Yang et al. (2016),
https://aclanthology.org/N16-1174. One mask marks padding words, another one sentences that consist
of padding, whose vectors are zero. `text_classification.py` trains the network.
"""

import math

import keras
import numpy as np
from keras import ops

import keras_attention


def make_hierarchical(size, pooling="attention", width=50, units=50, dropout=0.2, forget=0.3):
    """Return a model: words (batch, sentences, words) -> P(positive review) (batch, 1).

    Args:
        size: Number of ids, padding (0) and the unknown word (1) included.
        pooling: "attention" for the paper's HN-ATT; "average" or "max" for its baselines HN-AVE and
            HN-MAX, which differ only in the pooling.
        width: Width of the word vectors.
        units: Units of the recurrent layers, per direction.
        dropout: Dropout rate of the sentence vectors and of the document vector.
        forget: Share of the words whose whole vectors are dropped in training.
    """
    pool_words, pool_sentences = POOLINGS[pooling](), POOLINGS[pooling]()
    whole_words = (None, None, None, 1)
    words = keras.Input((None, None), dtype="int32", name="words")
    vectors = keras.layers.Embedding(size, width, mask_zero=True)(words)
    vectors = keras_attention.Dropout(forget, noise_shape=whole_words)(vectors)
    sentences = pool_words(keras_attention.EachStep(make_bidirectional(units))(vectors))
    sentences = keras_attention.Dropout(dropout)(sentences)
    document = pool_sentences(make_bidirectional(units)(sentences))
    document = keras_attention.Dropout(dropout)(document)
    return keras.Model(words, keras.layers.Dense(1, activation="sigmoid")(document))


def make_bidirectional(units):
    """Return the encoder of one level, words or sentences."""
    return keras.layers.Bidirectional(
        keras.layers.GRU(units, return_sequences=True, use_cudnn=False)
    )


def call_with_weights(model, words):
    """Call the model; return [output, weights of each `AttentionPooling` layer]."""
    weights, tensors = [], words
    for layer in model.layers:
        if isinstance(layer, keras_attention.AttentionPooling):
            tensors, layer_weights = layer(tensors, return_attention_scores=True)
            weights.append(layer_weights)
        elif not isinstance(layer, keras.layers.InputLayer):
            tensors = layer(tensors)
    return [tensors, *weights]


class MaxPooling(keras.layers.Layer):
    """Maximum of each feature over the steps that are not masked; zero if all steps are masked."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs, mask=None):
        if mask is None:
            return ops.max(inputs, axis=-2)
        mask = mask[..., None]
        maximum = ops.max(ops.where(mask, inputs, -1e9), axis=-2)
        return ops.where(ops.any(mask, axis=-2), maximum, 0.0)

    def compute_mask(self, inputs, mask=None):
        return None if mask is None or len(inputs.shape) < 4 else ops.any(mask, axis=-1)


def make_average_pooling():
    """Return average pooling: attention whose zero query makes all weights equal."""
    return keras_attention.AttentionPooling(query_initializer="zeros", trainable=False)


POOLINGS = {
    "attention": keras_attention.AttentionPooling,
    "average": make_average_pooling,
    "max": MaxPooling,
}


def measure_agreement(documents, word_weights, sentence_weights, share=0.1):
    """Measure how often the words with the largest weights are words that people marked.

    The weight of a word is its own weight times that of its sentence: its share in the document
    vector. "Top" words are the `share` of a document's words with the largest weights. The result
    is compared with chance, and with uniform attention, under which words of shorter sentences have
    larger weights. The 95 % interval of the difference from uniform attention is computed from
    2,000 bootstrap samples of the documents.

    Returns:
        Dict of name to the mean over the documents.
    """
    rng, rows = np.random.default_rng(0), []
    for document, document_word_weights, document_sentence_weights in zip(
        documents, word_weights, sentence_weights, strict=True
    ):
        # zip stops at the last sentence that has weights, because long documents are truncated.
        parts = list(
            zip(document.sentences, document_word_weights, document_sentence_weights, strict=False)
        )
        if not any(sentence for sentence, *_ in parts):
            continue
        weights = np.concatenate([sentence_weight * w[: len(s)] for s, w, sentence_weight in parts])
        uniform_weights = np.concatenate(
            [np.full(len(s[: len(w)]), 1 / max(len(s), 1)) for s, w, _ in parts]
        )
        marked = document.marked[: len(weights)]
        orders = [sort_by_weight(values, rng) for values in (weights, uniform_weights)]
        count = math.ceil(share * len(weights))
        shares = [marked[order[:count]].mean() for order in orders]
        precisions = [average_precision(marked[order]) for order in orders]
        rows.append((*shares, marked.mean(), *precisions))
    rows = np.array(rows)
    samples = rows[rng.integers(len(rows), size=(2000, len(rows)))].mean(axis=1)
    low, high = np.percentile(samples[:, 0] - samples[:, 1], [2.5, 97.5])
    top_share, uniform_share, chance, precision, uniform_precision = rows.mean(axis=0)
    return {
        f"marked words in the top {share:.0%}": round(float(top_share), 4),
        "marked words in the top with uniform attention": round(float(uniform_share), 4),
        "marked words among all (chance)": round(float(chance), 4),
        "difference from uniform attention, 95 % interval": [
            round(float(low), 4),
            round(float(high), 4),
        ],
        "average precision": round(float(precision), 4),
        "average precision with uniform attention": round(float(uniform_precision), 4),
    }


def sort_by_weight(weights, rng):
    """Return the indices of the weights, largest first, equal ones in random order."""
    return np.lexsort((rng.random(len(weights)), -weights))


def average_precision(marked):
    """Return the average precision of a ranking: the mean precision at each marked word.

    Args:
        marked: Bool array, True for marked words, in the order of the ranking.
    """
    ranks = np.flatnonzero(marked) + 1
    return np.mean(np.arange(1, len(ranks) + 1) / ranks) if len(ranks) else 0.0
