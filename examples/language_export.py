"""The export of a character language model: prompts in, continuations out."""

import numpy as np
import tensorflow as tf

import keras_attention
from keras_attention.export import Spec

MAX_LENGTH = 500  # maximum number of characters that a request can ask for


def make_encoder(characters, length):
    """Return a function that encodes prompts by TensorFlow operations, each one by itself.

    The function maps texts (batch,) to ids (batch, length), padded on the right, and the numbers of
    ids. A line feed comes before each prompt, so that an empty prompt starts a new line. Characters
    that are not in the vocabulary are left out. Of a long prompt, the last `length` characters are
    encoded.
    """
    code_points = tf.constant([ord(character) for character in characters.characters])  # sorted

    def encode(text):
        points = tf.strings.unicode_decode(tf.strings.join(["\n", text]), "UTF-8")
        index = tf.searchsorted(code_points, points.flat_values)
        index = tf.minimum(index, len(characters) - 1)
        is_known = tf.gather(code_points, index) == points.flat_values
        ids = tf.ragged.boolean_mask(points.with_values(index), points.with_values(is_known))
        ids = ids[:, -length:]
        lengths = tf.cast(ids.row_lengths(), tf.int32)
        return ids.to_tensor(0, shape=(None, length)), lengths

    return encode


def make_complete(network, characters):
    """Return the `complete` signature: prompts, lengths, temperatures and seeds to texts.

    A text does not depend on the other rows of its batch: every prompt is padded to the same
    length, and every row has its own seed.
    """
    encode = make_encoder(characters, network.context)
    letters = tf.constant([*characters.characters])

    @tf.function
    def complete(text, length, temperature, seed):
        prompts, lengths = encode(text)
        count = tf.maximum(tf.reduce_max(length), 1)
        decoded = network.sample(
            prompts,
            lengths,
            count,
            slots=network.context - 1 + MAX_LENGTH,
            temperature=temperature,
            seed=seed,
        )
        is_written = tf.sequence_mask(length, count)
        continuation = tf.where(is_written, tf.gather(letters, decoded.tokens), "")
        return {"text": tf.strings.reduce_join(continuation, -1)}

    return complete


def export(network, complete, directory):
    """Export a SavedModel with the signature `complete`; return its path."""
    specs = [
        Spec("text", (None,), "string"),
        Spec("length", (None,), "int32", below=MAX_LENGTH + 1),
        Spec("temperature", (None,), "float32"),
        Spec("seed", (None,), "int32"),
    ]
    requests = {
        "text": [b"ROMEO:", b"", b"What is the "],
        "length": [40, 10, 25],
        "temperature": [0.75, 0.0, 1.0],
        "seed": [1, 2, 3],
        "ids": [[1, 2, 3], [4, 5, 6], [7, 0, 1]],
    }
    dtypes = {"temperature": "float32", "text": object}
    return keras_attention.export.saved_model(
        network.model,
        directory,
        signatures={"complete": (complete, specs)},
        example=[
            {name: np.array(x[:rows], dtypes.get(name, "int32")) for name, x in requests.items()}
            for rows in (1, 3)
        ],
    )
