"""The export of the translation models: German text in, English text out."""

import numpy as np
import tensorflow as tf

import keras_attention
from examples.datasets.words import SPACES_RE2, WORD_RE2
from examples.fixed_sizes import fix_sizes
from examples.translation_batches import LENGTHS

ALIGNED_WORDS = LENGTHS[-1]  # width of the export's alignments


def split_in_graph(text):
    """Split texts (batch,) by TensorFlow operations into the words of `split`, a ragged tensor."""
    text = tf.strings.regex_replace(tf.strings.lower(text, "utf-8"), SPACES_RE2, " ")
    return tf.strings.split(tf.strings.regex_replace(text, WORD_RE2, r" \1 "))


def export(network, german, english, directory):
    """Export a SavedModel whose `decode` signature translates German text greedily.

    Its alignments are those with the first `ALIGNED_WORDS` words of each text, padded with zeros.
    """
    ids = tf.range(len(german), dtype=tf.int32)
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(german.words, ids), german.unknown
    )
    english_words = ["" if word in ("<s>", "</s>") else word for word in english.words]

    @tf.function
    def decode(text):
        # Add one column of padding, so that even a batch of empty texts has one step.
        words = tf.pad(split_in_graph(text).to_tensor(""), [[0, 0], [0, 1]])
        source = tf.where(words == "", german.padding, table.lookup(words))
        decoded = network.greedy(source, LENGTHS[-1])
        text = tf.strings.reduce_join(
            tf.gather(tf.constant(english_words), decoded.tokens), -1, separator=" "
        )
        outputs = {"text": tf.strings.strip(text), "score": decoded.scores}
        if decoded.alignments is None:
            return outputs
        sizes = (LENGTHS[-1], ALIGNED_WORDS)
        return {**outputs, "alignments": fix_sizes(decoded.alignments, sizes)}

    texts = [b"Ein Hund l\xc3\xa4uft im Schnee.", b"Zwei M\xc3\xa4nner spielen Schach!", b"Hallo"]
    return keras_attention.export.saved_model(
        network.model,
        directory,
        signatures={"decode": (decode, [tf.TensorSpec((None,), tf.string, name="text")], [table])},
        example=[
            {
                "text": np.array(batch),
                "source": np.full((len(batch), 3 + len(batch)), german.unknown, "int32"),
                "target": np.full((len(batch), 2), english.start, "int32"),
            }
            for batch in (texts[:1], texts)
        ],
    )
