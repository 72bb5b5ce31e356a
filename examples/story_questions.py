"""Questions about stories as arrays for memory networks: words, facts, ages and answers."""

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from examples.datasets import babi
from examples.datasets.babi import split

MAX_PLACES = 50  # facts that are kept, the last ones
BATCH = 32
QUESTIONS_PER_CALL = 100  # in predictions
NOISE = 0.1  # largest share of the ages that are left out in training


class Vocabulary:
    """The words and answers of questions, sorted; id 0 is padding, and every unknown word.

    Args:
        questions: List of `Question`.
    """

    def __init__(self, questions):
        answers = {question.answer for question in questions}
        sentences = {s for question in questions for s in (*question.facts, question.text)}
        words = {word for sentence in sentences for word in split(sentence)}
        self.words = ["", *sorted(words | answers)]
        self.ids = {word: id for id, word in enumerate(self.words)}
        self.length = max(len(split(sentence)) for sentence in sentences)

    def __len__(self):
        return len(self.words)

    def encode(self, sentences):
        """Return ids (N, length) int32, padded with 0; further words are left out."""
        ids = np.zeros((len(sentences), self.length), "int32")
        for row, sentence in zip(ids, sentences, strict=True):
            word_ids = [self.ids.get(word, 0) for word in split(sentence)][: self.length]
            row[: len(word_ids)] = word_ids
        return ids


class Encoded(NamedTuple):
    """Questions as arrays. A sentence is the index of a list, whose sentence 0 is empty."""

    facts: np.ndarray  # (N, S): the last S facts, the oldest one first
    counts: np.ndarray  # (N,): number of facts
    texts: np.ndarray  # (N,): questions
    answers: np.ndarray  # (N,): ids, or -1 for an answer that the vocabulary lacks
    supporting: np.ndarray  # (N, hops or more): places in `facts`, or -1


def encode(questions, vocabulary, places, hops, sentences=("",)):
    """Return questions as an `Encoded`, and the list of all different sentences.

    Args:
        questions: List of `Question`.
        vocabulary: A `Vocabulary`.
        places: Number S of facts that are kept.
        hops: Smallest number of columns of the supporting facts.
        sentences: The sentences of other questions, which keep their indices.
    """
    indices = {sentence: index for index, sentence in enumerate(sentences)}
    facts = np.zeros((len(questions), places), "int32")
    columns = max(hops, *(len(question.supporting) for question in questions))
    supporting = np.full((len(questions), columns), -1, "int32")
    for row, places_of_support, question in zip(facts, supporting, questions, strict=True):
        kept = question.facts[-places:]
        row[: len(kept)] = [indices.setdefault(fact, len(indices)) for fact in kept]
        first = len(question.facts) - len(kept)
        support = [max(index - first, -1) for index in question.supporting]
        places_of_support[: len(support)] = support
    texts = [indices.setdefault(question.text, len(indices)) for question in questions]
    answers = [vocabulary.ids.get(question.answer, -1) for question in questions]
    arrays = np.count_nonzero(facts, axis=1), texts, answers
    return Encoded(facts, *(np.array(x, "int32") for x in arrays), supporting), list(indices)


class Results(NamedTuple):
    """The results of several networks."""

    errors: np.ndarray  # (restarts,): share of wrong answers
    losses: np.ndarray  # (restarts,): mean cross-entropy
    weights: np.ndarray  # (N, restarts, hops, S)


def draw_ages(counts, places, rng=None):
    """Return the age of each fact, (N, places) int32: 0 for the last one, 1 for the one before.

    Args:
        counts: Number of facts of each question.
        places: Number of facts that are kept, and of ages.
        rng: A random generator, which leaves out up to a tenth of the ages, so that later ages are
            trained too; None for ages without gaps.
    """
    column = np.arange(places + math.ceil(NOISE * places))
    is_chosen = column < counts[:, None]
    if rng is not None:
        gaps = rng.integers(0, np.ceil(NOISE * counts).astype(int) + 1)
        keys = rng.random((len(counts), len(column)))
        keys[column >= (counts + gaps)[:, None]] = 1.0
        is_chosen = np.argsort(np.argsort(keys, axis=1), axis=1) < counts[:, None]
    rows, ages = np.nonzero(is_chosen)
    place = counts[rows] - np.cumsum(is_chosen, axis=1)[rows, ages]
    drawn = np.zeros((len(counts), places), "int32")
    drawn[rows, place] = np.minimum(ages, places - 1)
    return drawn


class Problem:
    """The questions of a task: a tenth of the training stories is held out for validation.

    Args:
        task: Number of the task as a string, or "joint".
        hops: Number of supporting facts for each question.
        seed: Seed of the choice of the validation stories, and of the batches.
        max_questions: Maximum number of questions of each split; None for all.
    """

    def __init__(self, task, hops, seed, max_questions=None):
        self.task, self.seed = task, seed
        number = None if task == "joint" else int(task)
        training, test = (
            babi.load_questions(part, number)[:max_questions] for part in ("train", "test")
        )
        self.vocabulary = Vocabulary(training)
        self.places = min(MAX_PLACES, max(len(question.facts) for question in training))
        stories = np.random.default_rng([seed, 0]).permutation(
            sorted({question.story for question in training})
        )
        held_out = set(stories[: len(stories) // 10])
        self.questions = {
            "training": [question for question in training if question.story not in held_out],
            "validation": [question for question in training if question.story in held_out],
            "test": test,
        }
        self.encoded, sentences = {}, ("",)
        for part, questions in self.questions.items():
            self.encoded[part], sentences = encode(
                questions, self.vocabulary, self.places, hops, sentences
            )
        self.sentences = self.vocabulary.encode(sentences)

    def make_batches(self, epoch):
        """Return a shuffled data set of full batches, with noise in the ages of the facts."""
        data = self.encoded["training"]
        rng = np.random.default_rng([self.seed, 1, epoch])
        inputs = {"facts": data.facts, "question": data.texts}
        inputs["ages"] = draw_ages(data.counts, self.places, rng)
        targets = {"answers": data.answers, "supporting": data.supporting}
        order = rng.permutation(len(data.texts))
        arrays = tf.nest.map_structure(lambda array: array[order], (inputs, targets))
        return tf.data.Dataset.from_tensor_slices(arrays).batch(BATCH, drop_remainder=True)

    def make_inputs(self, questions):
        """Return the inputs of a network from `make_network` for some questions, without noise."""
        data, sentences = encode(questions, self.vocabulary, self.places, hops=1)
        ids = self.vocabulary.encode(sentences)
        ages = draw_ages(data.counts, self.places)
        return {"facts": ids[data.facts], "ages": ages, "query": ids[data.texts]}

    def test(self, networks, part):
        """Return the `Results` of all networks on the questions of a part, without noise."""
        data = self.encoded[part]
        ages = draw_ages(data.counts, self.places)
        inputs = {"facts": data.facts, "ages": ages, "question": data.texts}
        batches = tf.data.Dataset.from_tensor_slices(inputs).batch(QUESTIONS_PER_CALL)
        outputs = [networks.compute(batch) for batch in batches]
        logits, weights = (np.concatenate(arrays) for arrays in zip(*outputs, strict=True))
        answers = data.answers[:, None]
        log_probabilities = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
        losses = -np.take_along_axis(log_probabilities, answers[..., None], axis=-1)[..., 0]
        return Results(
            (logits.argmax(axis=-1) != answers).mean(axis=0), losses.mean(axis=0), weights
        )
