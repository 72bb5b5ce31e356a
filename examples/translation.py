"""German to English on Multi30k: what every translation model is trained, tried and served with."""

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
from examples.datasets.multi30k import sentence_pairs
from examples.datasets.words import SPACES_RE2, WORD_RE2, Words, split
from examples.report import Report
from examples.training import as_dataset, check_folders, minutes_of, train

LENGTHS = (12, 16, 22, 40)  # of both sentences, ends included: one compiled program each
BATCH = 128

Outcome = collections.namedtuple(
    "Outcome", ["network", "vocabularies", "figures", "pairs", "translations"]
)
Outcome.__doc__ = """What an experiment gave.

network: trained; vocabularies: the `Words` of German and English; figures: a dict; pairs: the test
set's (source, target) as lists of words; translations: for each the words and their alignment.
"""


def experiment(
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
    """Trains or resumes a model, translates the test set, draws alignments and exports.

    Args:
        name: Of the run, its picture and its export.
        make_network: Function of the two vocabularies that gives an object with `model`, `start`,
            `greedy` and `beam_search`, such as `examples.encoder_decoder.EncoderDecoder`.
        optimizer: Function of the number of steps that gives one.
        loss: What Keras compiles; padding, id 0, must not count in it.
        settings: Dict of what the network depends on.
        joint_words: Whether both languages share one vocabulary.
        epochs, seed, beam_width, strategy, quick: Of the command line, as the folders are:
        runs, pictures, saved_models.

    Returns:
        An `Outcome`.
    """
    devices = distribution.strategy(strategy)
    keras.utils.set_random_seed(seed)
    name += "_quick" if quick else ""
    directory = Path(runs) / f"{name}-seed{seed}"
    report = Report(directory, seed)
    texts = {part: read(part, quick) for part in ("train", "validation", "test")}
    pairs = {part: [(split(de), split(en)) for de, en in texts[part]] for part in texts}
    sides = [list(side) for side in zip(*pairs["train"], strict=True)]
    german, english = [Words(sum(sides, []))] * 2 if joint_words else map(Words, sides)

    def batches(epoch):
        return in_buckets(pairs["train"], german, english, np.random.default_rng([seed, epoch]))

    steps = int(batches(0).cardinality()) * epochs
    with devices.scope():
        network = make_network(german, english)
        network.model.compile(optimizer(steps), loss, jit_compile=True)
    check_folders(network.model, runs=directory, pictures=pictures, saved_models=saved_models)
    print(
        f"{name}: {network.model.count_params():,} weights, {len(german)} and {len(english)} words"
    )
    scorer = tf.function(
        lambda inputs, target: summed_entropy(network.model(inputs, training=False), target),
        jit_compile=True,
    )
    curve = train(
        network.model,
        batches,
        epochs,
        directory,
        {**settings, "epochs": epochs, "seed": seed, "batch": BATCH},
        lambda epoch: {"val_ppl": perplexity(scorer, pairs["validation"], german, english)},
        counted=tf.math.count_nonzero,
    )
    translations = translate(network, pairs["test"], german, english, beam_width)
    references = [english for _, english in texts["test"]]
    # force: sacrebleu takes the space before a full stop for a sign of its own tokens.
    bleu = sacrebleu.corpus_bleu(
        [" ".join(t) for t, _ in translations], [references], lowercase=True, force=True
    )
    path = export(network, german, english, Path(saved_models) / name)
    figures = {
        "test perplexity": round(perplexity(scorer, pairs["test"], german, english), 2),
        "BLEU": round(bleu.score, 2),
        "sacrebleu": f"{sacrebleu.__version__}, 13a, lower case, beam {beam_width}",
        "weights": network.model.count_params(),
        "seed": seed,
        **minutes_of(curve),
        "curve": [round(epoch["val_ppl"], 2) for epoch in curve],
    }
    report.write(figures, path)
    for (source, target), (words, _) in list(zip(pairs["test"], translations, strict=True))[:5]:
        print(f"\n  {' '.join(source)}\n  {' '.join(target)}\n> {' '.join(words)}")
    if translations[0][1] is not None:
        picture = draw(pairs["test"], translations, Path(pictures) / f"{name}.png")
        print(f"\nAlignments of test sentences: {picture}")
    print(keras_attention.export.how_to_serve(path))
    return Outcome(network, (german, english), figures, pairs["test"], translations)


def read(part, quick=False):
    """The (German, English) sentences of a split; some short ones of them if `quick`."""
    pairs = sentence_pairs(part, "de", "en")
    if not quick:
        return pairs
    return [(de, en) for de, en in pairs[:500] if bucket(split(de), split(en)) == LENGTHS[0]]


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


def perplexity(scorer, pairs, german, english):
    """The exponential of the mean cross entropy of a target word, its end mark included.

    `scorer` gives the summed entropy of a batch: (inputs, target) -> ().
    """
    entropy = words = 0.0
    for length in LENGTHS:
        members = [pair for pair in pairs if bucket(*pair) == length]
        for first in range(0, len(members), BATCH):
            chosen = members[first : first + BATCH]
            inputs, target = arrays(chosen, length, german, english)
            rows = [(0, BATCH - len(chosen)), (0, 0)]
            inputs, target = [np.pad(x, rows) for x in inputs], np.pad(target, rows)
            entropy += float(scorer(inputs, target))
            words += (target != 0).sum()
    return float(np.exp(entropy / words))


def summed_entropy(logits, target):
    """The summed cross entropy of a batch's real words."""
    each = keras.losses.sparse_categorical_crossentropy(target, logits, from_logits=True)
    return ops.sum(ops.where(target != 0, each, 0.0))


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


def split_in_graph(text):
    """Texts (batch,) -> their words, ragged, as `split` finds them, by stock TensorFlow."""
    text = tf.strings.regex_replace(tf.strings.lower(text, "utf-8"), SPACES_RE2, " ")
    return tf.strings.split(tf.strings.regex_replace(text, WORD_RE2, r" \1 "))


def export(network, german, english, directory):
    """A SavedModel whose `decode` signature takes German text and returns English, greedily."""
    ids = tf.range(len(german), dtype=tf.int32)
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(german.words, ids), german.unknown
    )
    written = ["" if word in ("<s>", "</s>") else word for word in english.words]

    @tf.function
    def decode(text):
        # One column of padding more, so that even a batch of empty texts has something to read.
        words = tf.pad(split_in_graph(text).to_tensor(""), [[0, 0], [0, 1]])
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
    return keras_attention.export.saved_model(
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
