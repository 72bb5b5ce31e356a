"""Pairs of sentences for natural language inference: does the first one entail the second one?

`load_snli` loads the Stanford corpus (Bowman et al. 2015), whose pairs people wrote, from
TensorFlow Datasets, which downloads it. `load_rule_pairs` makes an artificial task of the English
captions of Multi30k, for machines without a network: words are replaced by broader ones, narrower
ones or opposites. Results on it say nothing about SNLI; but the word that decides each pair is
known.

    a man in a hat rides a bike .     a man in a hat rides a vehicle .    entailment
    a person in a hat rides a bike .  a man in a hat rides a bike .       neutral
    a man in a hat rides a bike .     a woman in a hat rides a bike .     contradiction
"""

from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from examples.datasets.multi30k import load_sentence_pairs
from examples.datasets.words import split

PARTS = ("train", "validation", "test")
LABELS = ("entailment", "neutral", "contradiction")
EXTRA = 0.3  # probability of a further change that does not decide the label
BROADER = {
    "man": "person",
    "woman": "person",
    "lady": "person",
    "guy": "person",
    "men": "people",
    "women": "people",
    "boy": "child",
    "girl": "child",
    "boys": "children",
    "girls": "children",
    "dog": "animal",
    "cat": "animal",
    "horse": "animal",
    "dogs": "animals",
    "horses": "animals",
    "bike": "vehicle",
    "bicycle": "vehicle",
    "car": "vehicle",
    "truck": "vehicle",
    "bus": "vehicle",
    "guitar": "instrument",
    "drums": "instruments",
    "shirt": "garment",
    "jacket": "garment",
    "dress": "garment",
    "coat": "garment",
    "sweater": "garment",
    "hat": "headgear",
    "cap": "headgear",
    "helmet": "headgear",
    "two": "some",
    "three": "some",
    "four": "some",
    "five": "some",
    "beach": "place",
    "street": "place",
    "park": "place",
    "field": "place",
    "kitchen": "place",
    "store": "place",
}
OPPOSITES = (
    ("man", "woman"),
    ("men", "women"),
    ("boy", "girl"),
    ("boys", "girls"),
    ("young", "old"),
    ("black", "white"),
    ("red", "green"),
    ("blue", "yellow"),
    ("large", "small"),
    ("two", "four"),
    ("three", "five"),
    ("dog", "cat"),
    ("dogs", "horses"),
    ("sitting", "standing"),
    ("sits", "stands"),
    ("walking", "sleeping"),
    ("running", "swimming"),
    ("outside", "inside"),
    ("smiling", "crying"),
    ("beach", "kitchen"),
    ("street", "field"),
    ("bike", "horse"),
    ("guitar", "violin"),
)
OPPOSITE = {**dict(OPPOSITES), **{second: first for first, second in OPPOSITES}}


class Pair(NamedTuple):
    """Two split sentences, and the index of their label in `LABELS`."""

    premise: list
    hypothesis: list
    label: int


def load_snli(data_dir=None):
    """Return {part: list of `Pair`} of SNLI, without the pairs on which people did not agree.

    Args:
        data_dir: The TFDS data directory; None for the default.
    """
    splits = tfds.load("snli", split=list(PARTS), data_dir=data_dir)
    return {
        part: [
            Pair(split(e["premise"].decode()), split(e["hypothesis"].decode()), int(e["label"]))
            for e in tfds.as_numpy(examples)
            if e["label"] >= 0
        ]
        for part, examples in zip(PARTS, splits, strict=True)
    }


def load_rule_pairs(data_dir=None):
    """Return {part: list of `Pair`} that rules make of the captions of each part of Multi30k.

    Args:
        data_dir: The TFDS data directory; None for the default.
    """
    parts = {}
    for number, part in enumerate(PARTS):
        captions = load_sentence_pairs(part, "en", "de", data_dir)
        rng = np.random.default_rng(number)
        pairs = (make_pair(split(caption), rng) for caption, _ in captions)
        parts[part] = [pair for pair in pairs if pair is not None]
    return parts


def make_pair(caption, rng):
    """Return a `Pair` of a random label, or None if the caption lacks the words for it.

    The premise has some words of the caption, chosen at random, and broader words for the others.
    One word decides the label: the hypothesis has a broader word (entailment), a narrower one
    (neutral) or an opposite (contradiction) in its place. Further words may become broader, which
    changes no label.

    Args:
        caption: List of words.
        rng: A `numpy.random.Generator`.
    """
    label = LABELS[rng.integers(len(LABELS))]
    table = OPPOSITE if label == "contradiction" else BROADER
    places = [place for place, word in enumerate(caption) if word in table]
    if not places:
        return None
    decisive = rng.choice(places)
    premise = _broaden(caption, decisive, rng)
    hypothesis = _broaden(premise, decisive, rng)
    if label == "neutral":
        premise[decisive] = BROADER[caption[decisive]]
    else:
        hypothesis[decisive] = table[caption[decisive]]
    return Pair(premise, hypothesis, LABELS.index(label))


def _broaden(words, kept, rng):
    """Return words of which some, chosen at random, are replaced by broader ones."""
    is_changed = rng.random(len(words)) < EXTRA
    is_changed[kept] = False
    return [
        BROADER.get(word, word) if changed else word
        for word, changed in zip(words, is_changed, strict=True)
    ]


DATA = {"rules": load_rule_pairs, "snli": load_snli}
