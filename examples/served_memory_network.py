"""Export of a memory network that answers questions in text."""

import numpy as np
import tensorflow as tf

import keras_attention
from examples.datasets.babi import NO_WORD


def make_answer(network, problem):
    """Return a function from text to an answer, by TensorFlow operations, and its lookup table.

    Args:
        network: A model from `make_network`.
        problem: The `Problem` that it was trained for.
    """
    words, length = problem.vocabulary.words, problem.vocabulary.length
    ids = tf.range(len(words), dtype=tf.int32)
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(words, ids), 0)

    def encode(texts):
        texts = tf.strings.regex_replace(tf.strings.lower(texts), NO_WORD, " ")
        tokens = tf.strings.split(tf.reshape(texts, [-1])).to_tensor("", shape=(None, length))
        return tf.reshape(table.lookup(tokens), tf.concat([tf.shape(texts), [length]], axis=0))

    @tf.function
    def answer(statements, question):
        ids = encode(statements)
        is_real = tf.reduce_any(ids > 0, axis=-1)
        # The age of a statement is the number of statements after it. Those that are older than any
        # in training are left out. A sentence without a known word is padding.
        ages = tf.cumsum(tf.cast(is_real, tf.int32), axis=1, exclusive=True, reverse=True)
        ids = tf.where((ages < problem.places)[..., None], ids, 0)
        ages = tf.minimum(ages, problem.places - 1)
        outputs = network({"facts": ids, "ages": ages, "query": encode(question)})
        probabilities = outputs["probabilities"]
        return {
            "answer": tf.gather(words, tf.argmax(probabilities, axis=-1)),
            "probability": tf.reduce_max(probabilities, axis=-1),
            "weights": outputs["weights"],
        }

    return answer, table


def export(network, problem, directory):
    """Export a SavedModel: `answer` for text, and `serving_default` for ids.

    `answer` takes the statements before each question `(batch, S)`, the oldest one first and padded
    with "", and questions `(batch,)`. It returns answers, their probabilities, and the weights of
    each hop `(batch, hops, S)`.
    """
    answer, table = make_answer(network, problem)
    specs = [
        tf.TensorSpec((None, None), tf.string, name="statements"),
        tf.TensorSpec((None,), tf.string, name="question"),
    ]
    examples = []
    for questions in (problem.questions["test"][:1], problem.questions["test"][1:4]):
        places = max(len(question.facts) for question in questions)
        facts = [q.facts + [""] * (places - len(q.facts)) for q in questions]
        texts = {"statements": facts, "question": [q.text for q in questions]}
        texts = {name: np.array(array, "S") for name, array in texts.items()}
        examples.append({**texts, **problem.make_inputs(questions)})
    path = keras_attention.export.saved_model(
        network, directory, signatures={"answer": (answer, specs, [table])}, example=examples
    )
    print(keras_attention.export.how_to_serve(path))
    return path
