"""The Multi30k German-English experiment, shared by all translation models."""

import collections
from pathlib import Path

import keras
import numpy as np
import sacrebleu
import tensorflow as tf
from keras import ops
from tqdm.auto import tqdm

import keras_attention
from examples import distribution
from examples.datasets.words import Words, split
from examples.report import Report
from examples.training import check_folders, sum_minutes, train
from examples.translation_batches import (
    BATCH,
    LENGTHS,
    choose_length,
    load_pairs,
    make_arrays,
    make_batches,
)
from examples.translation_export import export

Outcome = collections.namedtuple(
    "Outcome", ["network", "vocabularies", "figures", "pairs", "translations"]
)
Outcome.__doc__ = """The results of an experiment.

network: the trained network; vocabularies: the `Words` of German and English; figures: a dict;
pairs: the test set's (source, target) as lists of words; translations: (words, alignment) of each
pair.
"""

Trained = collections.namedtuple(
    "Trained", ["network", "vocabularies", "texts", "pairs", "curve", "measure_perplexity"]
)
Trained.__doc__ = """A trained network, with its data.

network: the network; vocabularies: the `Words` of German and English; texts: dict of the part of
the data set ("train", "validation", "test") to its (German, English) sentences; pairs: the same as
lists of words; curve: the learning curve; measure_perplexity: function of a part.
"""


def run_experiment(
    name,
    make_network,
    optimizer,
    loss,
    settings,
    joint_words=False,
    epochs=8,
    seed=0,
    beam_width=5,
    strategy="none",
    quick=False,
    runs="runs",
    pictures="docs/pictures",
    saved_models="saved_models",
):
    """Train or resume a model, translate the test set, plot alignments and export.

    Args:
        name: Name of the run, its plot and its export.
        make_network: Function of the two vocabularies that returns an object with `model`, `start`,
            `greedy` and `beam_search`, such as `examples.encoder_decoder.EncoderDecoder`.
        optimizer: Function of the number of steps that returns an optimizer.
        loss: The loss to compile, which leaves out padding, id 0.
        settings: Dict of the settings that the network depends on.
        joint_words: Whether both languages share one vocabulary.
        epochs, seed, beam_width, strategy, quick, runs, pictures, saved_models: Options of the
            command line.

    Returns:
        An `Outcome`.
    """
    name += "_quick" if quick else ""
    directory = Path(runs) / f"{name}-seed{seed}"
    report = Report(directory, seed)
    trained = train_network(
        make_network,
        optimizer,
        loss,
        settings,
        directory,
        joint_words,
        epochs,
        seed,
        strategy,
        quick,
        pictures=pictures,
        saved_models=saved_models,
    )
    network, (german, english), texts, pairs = trained[:4]
    translations = translate(network, pairs["test"], german, english, beam_width)
    path = export(network, german, english, Path(saved_models) / name)
    figures = {
        "test perplexity": round(trained.measure_perplexity("test"), 2),
        "BLEU": compute_bleu(translations, texts["test"]),
        "sacrebleu": f"{sacrebleu.__version__}, 13a, lower case, beam {beam_width}",
        "weights": network.model.count_params(),
        "seed": seed,
        **sum_minutes(trained.curve),
        "curve": [round(epoch["val_ppl"], 2) for epoch in trained.curve],
    }
    report.write(figures, path)
    for (source, target), (words, _) in list(zip(pairs["test"], translations, strict=True))[:5]:
        print(f"\n  {' '.join(source)}\n  {' '.join(target)}\n> {' '.join(words)}")
    if translations[0][1] is not None:
        picture = draw(pairs["test"], translations, Path(pictures) / f"{name}.png")
        print(f"\nAlignments of test sentences plotted in {picture}")
    print(keras_attention.export.how_to_serve(path))
    return Outcome(network, (german, english), figures, pairs["test"], translations)


def train_network(
    make_network,
    optimizer,
    loss,
    settings,
    directory,
    joint_words=False,
    epochs=8,
    seed=0,
    strategy="none",
    quick=False,
    **folders,
):
    """Train or resume a model in a run's directory; return a `Trained`.

    The arguments are those of `run_experiment`; `folders` are the others that have to be writable.
    """
    devices = distribution.strategy(strategy)
    keras.utils.set_random_seed(seed)
    texts = {part: load_pairs(part, quick) for part in ("train", "validation", "test")}
    pairs = {part: [(split(de), split(en)) for de, en in texts[part]] for part in texts}
    sides = [list(side) for side in zip(*pairs["train"], strict=True)]
    german, english = [Words(sum(sides, []))] * 2 if joint_words else map(Words, sides)

    def batches(epoch):
        return make_batches(pairs["train"], german, english, np.random.default_rng([seed, epoch]))

    steps = int(batches(0).cardinality()) * epochs
    with devices.scope():
        network = make_network(german, english)
        network.model.compile(optimizer(steps), loss, jit_compile=True)
    check_folders(network.model, runs=directory, **folders)
    weights = f"{network.model.count_params():,} weights"
    print(f"{directory.name}: {weights}, {len(german)} and {len(english)} words")
    scorer = tf.function(
        lambda inputs, target: sum_cross_entropy(network.model(inputs, training=False), target),
        jit_compile=True,
    )

    def measure_perplexity(part):
        return compute_perplexity(scorer, pairs[part], german, english)

    curve = train(
        network.model,
        batches,
        epochs,
        directory,
        {**settings, "epochs": epochs, "seed": seed, "batch": BATCH},
        lambda epoch: {"val_ppl": measure_perplexity("validation")},
        count_targets=tf.math.count_nonzero,
    )
    return Trained(network, (german, english), texts, pairs, curve, measure_perplexity)


def compute_perplexity(scorer, pairs, german, english):
    """Return the perplexity, per target word or end mark.

    Args:
        scorer: Function (inputs, target) -> summed cross entropy of a batch, a scalar.
        pairs: The (source, target) as lists of words.
        german, english: The vocabularies.
    """
    entropy = words = 0.0
    for length in LENGTHS:
        members = [pair for pair in pairs if choose_length(*pair) == length]
        for first in range(0, len(members), BATCH):
            chosen = members[first : first + BATCH]
            inputs, target = make_arrays(chosen, length, german, english)
            rows = [(0, BATCH - len(chosen)), (0, 0)]
            inputs, target = [np.pad(x, rows) for x in inputs], np.pad(target, rows)
            entropy += float(scorer(inputs, target))
            words += (target != 0).sum()
    return float(np.exp(entropy / words))


def sum_cross_entropy(logits, target):
    """Return the summed cross entropy of a batch, without padding."""
    costs = keras.losses.sparse_categorical_crossentropy(target, logits, from_logits=True)
    return ops.sum(ops.where(target != 0, costs, 0.0))


def translate(network, pairs, german, english, beam_width, length_penalty=0.6, **options):
    """Translate the sources; return (words, alignment or None) of the best translation of each.

    `options` are further options of `decoding.beam_search`.
    """
    options |= {"beam_width": beam_width, "length_penalty": length_penalty}
    search = tf.function(
        lambda source: network.beam_search(source, LENGTHS[-1], **options), jit_compile=True
    )
    translations = []
    size = 50
    for first in tqdm(range(0, len(pairs), size), desc="translating"):
        chosen = [s for s, _ in pairs[first : first + size]]
        source = np.pad(german.encode(chosen, LENGTHS[-1]), [(0, size - len(chosen)), (0, 0)])
        best = search(source)
        for row in range(len(chosen)):
            words = english.decode(best.tokens[row, 0].numpy())
            weights = None if best.alignments is None else best.alignments[row, 0].numpy()
            translations.append((words, weights))
    return translations


def compute_bleu(translations, texts):
    """Return the BLEU of translations against the English of (German, English) sentences."""
    # `force` suppresses a warning that a space before a full stop looks like tokenized text.
    bleu = sacrebleu.corpus_bleu(
        [" ".join(words) for words, _ in translations],
        [[english for _, english in texts]],
        lowercase=True,
        force=True,
    )
    return round(bleu.score, 2)


def draw(pairs, translations, path):
    """Plot the alignments of four test sentences; return the path."""
    lengths = [len(source) for source, _ in pairs]
    indices = [i for i in range(len(pairs)) if 8 <= lengths[i] <= 14][:4]
    sources = [pairs[i][0] for i in indices]
    weights = [translations[i][1] for i in indices]
    targets = [[*translations[i][0], "</s>"][: len(weights[0])] for i in indices]
    keras_attention.visualize.heatmap(weights, sources, targets, path=path)
    return path
