"""RNNsearch (Bahdanau 2015), Luong's variants (2015) and the bottleneck on Multi30k German-English.

    python examples/translate.py                      # additive attention
    python examples/translate.py --attention none     # the same without attention, to compare

Word level, lower case, words seen twice; batches of sentences of like length; a bidirectional GRU
encoder and a GRU decoder of the same size for every variant; beam search; BLEU by sacrebleu.
Interrupt it as you like: the same command goes on after the last whole epoch.

The papers' figures are on WMT (RNNsearch-50 26.75 BLEU against 17.82 without attention, 1.50 times
as much; other data, other languages and 380 times our hours), so that only the direction compares.
docs/results.md has what these commands gave here.
"""

import json
import math
import sys
import time
from pathlib import Path

import keras
import numpy as np
import sacrebleu
import tensorflow as tf
from tqdm.auto import tqdm

if not __package__:  # run as `python examples/translate.py`, from any directory
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import keras_attention
from examples.command_line import run
from examples.datasets.multi30k import sentence_pairs
from examples.datasets.words import Words, split
from examples.encoder_decoder import ATTENTIONS, EncoderDecoder
from examples.training import as_dataset, train

LENGTHS = (12, 16, 22, 40)  # of both sentences, ends included: one compiled program each
BATCH = 128
# `examples.datasets.words.WORD` as TensorFlow's regular expressions write it.
WORD_RE2 = r"([\pL\pN_]+(?:['’-][\pL\pN_]+)*|[^\pL\pN_\s])"


def main(
    attention="additive",
    epochs=8,
    units=256,
    seed=0,
    beam_width=5,
    quick=False,
    runs="runs",
    pictures="docs/pictures",
    saved_models="saved_models",
):
    """Trains or resumes, evaluates on the test set, draws and exports; returns the figures."""
    if quick:
        epochs, units = 1, 16
    keras.utils.set_random_seed(seed)
    name = f"translate_{attention}" + ("_quick" if quick else "")
    for folder in (pictures, saved_models):
        Path(folder).mkdir(parents=True, exist_ok=True)
    pairs = {part: read(part, 600 if quick else None) for part in ("train", "validation", "test")}
    german, english = (Words(side) for side in zip(*pairs["train"], strict=True))
    network = EncoderDecoder(
        len(german),
        len(english),
        Words.start,
        Words.end,
        embedding=units,
        units=units,
        attention=attention,
        max_source=LENGTHS[-1],
        dropout=0.3,
    )

    def batches(epoch):
        return in_buckets(pairs["train"], german, english, np.random.default_rng([seed, epoch]))

    steps = int(batches(0).cardinality()) * epochs
    network.model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps), clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0),
        jit_compile=True,
    )
    print(
        f"{name}: {network.model.count_params():,} weights, {len(german)} and {len(english)} words"
    )
    began = time.time()
    train(
        network.model,
        batches,
        epochs,
        Path(runs) / f"{name}-seed{seed}",
        {"attention": attention, "epochs": epochs, "units": units, "seed": seed, "batch": BATCH},
        lambda epoch: {"val_ppl": perplexity(network, pairs["validation"], german, english)},
    )
    minutes = (time.time() - began) / 60
    translations = translate(network, pairs["test"], german, english, beam_width)
    references = [english for _, english in sentence_pairs("test", "de", "en")][: len(translations)]
    # force: sacrebleu takes the space before a full stop for a sign of its own tokens.
    bleu = sacrebleu.corpus_bleu(
        [" ".join(t) for t, _ in translations], [references], lowercase=True, force=True
    )
    figures = {
        "attention": attention,
        "seed": seed,
        "epochs": epochs,
        "minutes of training in this run": round(minutes, 1),
        "weights": network.model.count_params(),
        "test perplexity": round(perplexity(network, pairs["test"], german, english), 2),
        "BLEU": round(bleu.score, 2),
        "beam": beam_width,
        "sacrebleu": f"{sacrebleu.__version__}, 13a, lower case",
    }
    print(json.dumps(figures, indent=1))
    (Path(runs) / f"{name}-seed{seed}" / "figures.json").write_text(json.dumps(figures, indent=1))
    for (source, target), (words, _) in list(zip(pairs["test"], translations, strict=True))[:5]:
        print(f"\n  {' '.join(source)}\n  {' '.join(target)}\n> {' '.join(words)}")
    if attention != "none":
        picture = draw(pairs["test"], translations, Path(pictures) / f"{name}.png")
        print(f"\nAlignments of test sentences: {picture}")
    export(network, german, english, Path(saved_models) / name)
    return figures


def read(part, most=None):
    """The sentence pairs of a split as pairs of word lists."""
    return [(split(de), split(en)) for de, en in sentence_pairs(part, "de", "en")[:most]]


def bucket(source, target):
    """The length to which a pair is padded."""
    longest = max(len(source), len(target) + 1)
    return next((length for length in LENGTHS if longest <= length), LENGTHS[-1])


def arrays(pairs, length, german, english):
    """((source, target shifted right), target) as padded ids."""
    source = german.encode([s for s, _ in pairs], length)
    target = english.encode([["<s>", *t[: length - 1], "</s>"] for _, t in pairs], length + 1)
    return (source, target[:, :-1]), target[:, 1:]


def in_buckets(pairs, german, english, rng):
    """A shuffled data set of full batches of sentences of like length."""
    batches = []
    for length in LENGTHS:
        members = [pair for pair in pairs if bucket(*pair) == length]
        order = rng.permutation(len(members))
        for first in range(0, len(order) - BATCH + 1, BATCH):
            chosen = [members[i] for i in order[first : first + BATCH]]
            batches.append(arrays(chosen, length, german, english))
    rng.shuffle(batches)
    return as_dataset(batches)


def perplexity(network, pairs, german, english):
    """The exponential of the mean cross entropy of a target word, its end mark included."""
    entropy = words = 0.0
    for length in LENGTHS:
        members = [pair for pair in pairs if bucket(*pair) == length]
        for first in range(0, len(members), BATCH):
            chosen = members[first : first + BATCH]
            inputs, target = arrays(chosen, length, german, english)
            rows = [(0, BATCH - len(chosen)), (0, 0)]
            inputs, target = [np.pad(x, rows) for x in inputs], np.pad(target, rows)
            count = (target != 0).sum()
            entropy += count * float(network.model.test_on_batch(inputs, target))
            words += count
    return math.exp(entropy / words)


def translate(network, pairs, german, english, beam_width):
    """For each pair the best translation's words, and its alignment (or None)."""
    search = tf.function(
        lambda source: network.beam_search(
            source, LENGTHS[-1], beam_width=beam_width, length_penalty=0.6
        ),
        jit_compile=True,
    )
    found = []
    size = 50
    for first in tqdm(range(0, len(pairs), size), desc="translating"):
        chosen = [s for s, _ in pairs[first : first + size]]
        source = np.pad(german.encode(chosen, LENGTHS[-1]), [(0, size - len(chosen)), (0, 0)])
        best = search(source)
        for row in range(len(chosen)):
            words = english.decode(best.tokens[row, 0].numpy())
            weights = None if best.alignments is None else best.alignments[row, 0].numpy()
            found.append((words, weights))
    return found


def draw(pairs, translations, path):
    """Alignments of four test sentences."""
    lengths = [len(source) for source, _ in pairs]
    picked = [i for i in range(len(pairs)) if 8 <= lengths[i] <= 14][:4]
    sources = [pairs[i][0] for i in picked]
    weights = [translations[i][1] for i in picked]
    targets = [[*translations[i][0], "</s>"][: len(weights[0])] for i in picked]
    keras_attention.visualize.heatmap(weights, sources, targets, path=path)
    return path


def export(network, german, english, directory):
    """A SavedModel whose `decode` signature takes German text and returns English, greedily."""
    ids = tf.range(len(german), dtype=tf.int32)
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(german.words, ids), german.unknown
    )
    written = ["" if word in ("<s>", "</s>") else word for word in english.words]

    @tf.function
    def decode(text):
        spaced = tf.strings.regex_replace(tf.strings.lower(text, "utf-8"), WORD_RE2, r" \1 ")
        # One column of padding more, so that even a batch of empty texts has something to read.
        words = tf.pad(tf.strings.split(spaced).to_tensor(""), [[0, 0], [0, 1]])
        source = tf.where(words == "", german.padding, table.lookup(words))
        found = network.greedy(source, LENGTHS[-1])
        joined = tf.strings.reduce_join(
            tf.gather(tf.constant(written), found.tokens), -1, separator=" "
        )
        outputs = {"text": tf.strings.strip(joined), "score": found.scores}
        if found.alignments is None:
            return outputs
        return {**outputs, "alignments": found.alignments}

    texts = [b"Ein Hund l\xc3\xa4uft im Schnee.", b"Zwei M\xc3\xa4nner spielen Schach!", b"Hallo"]
    path = keras_attention.export.saved_model(
        network.model,
        directory,
        signatures={"decode": (decode, [tf.TensorSpec((None,), tf.string, name="text")], [table])},
        example=[
            {
                "text": np.array(some),
                "source": np.full((len(some), 3 + len(some)), german.unknown, "int32"),
                "target": np.full((len(some), 2), english.start, "int32"),
            }
            for some in (texts[:1], texts)
        ],
    )
    print(keras_attention.export.how_to_serve(path))


if __name__ == "__main__":
    run(main, attention=ATTENTIONS)
