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
from examples.datasets.multi30k import load_sentence_pairs
from examples.datasets.words import SPACES_RE2, WORD_RE2, Words, split
from examples.fixed_sizes import fix_sizes
from examples.report import Report
from examples.training import as_dataset, check_folders, sum_minutes, train

# Lengths, including the end mark, to which source and target are padded. XLA compiles one program
# for each.
LENGTHS = (12, 16, 22, 40)
ALIGNED_WORDS = LENGTHS[-1]  # width of the export's alignments
BATCH = 128

Outcome = collections.namedtuple(
    "Outcome", ["network", "vocabularies", "figures", "pairs", "translations"]
)
Outcome.__doc__ = """The results of an experiment.

network: the trained network; vocabularies: the `Words` of German and English; figures: a dict;
pairs: the test set's (source, target) as lists of words; translations: (words, alignment) of each
pair.
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
    devices = distribution.strategy(strategy)
    keras.utils.set_random_seed(seed)
    name += "_quick" if quick else ""
    directory = Path(runs) / f"{name}-seed{seed}"
    report = Report(directory, seed)
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
    check_folders(network.model, runs=directory, pictures=pictures, saved_models=saved_models)
    print(
        f"{name}: {network.model.count_params():,} weights, {len(german)} and {len(english)} words"
    )
    scorer = tf.function(
        lambda inputs, target: sum_cross_entropy(network.model(inputs, training=False), target),
        jit_compile=True,
    )
    curve = train(
        network.model,
        batches,
        epochs,
        directory,
        {**settings, "epochs": epochs, "seed": seed, "batch": BATCH},
        lambda epoch: {"val_ppl": compute_perplexity(scorer, pairs["validation"], german, english)},
        count_targets=tf.math.count_nonzero,
    )
    translations = translate(network, pairs["test"], german, english, beam_width)
    references = [english for _, english in texts["test"]]
    # `force` suppresses a warning that a space before a full stop looks like tokenized text.
    bleu = sacrebleu.corpus_bleu(
        [" ".join(t) for t, _ in translations], [references], lowercase=True, force=True
    )
    path = export(network, german, english, Path(saved_models) / name)
    figures = {
        "test perplexity": round(compute_perplexity(scorer, pairs["test"], german, english), 2),
        "BLEU": round(bleu.score, 2),
        "sacrebleu": f"{sacrebleu.__version__}, 13a, lower case, beam {beam_width}",
        "weights": network.model.count_params(),
        "seed": seed,
        **sum_minutes(curve),
        "curve": [round(epoch["val_ppl"], 2) for epoch in curve],
    }
    report.write(figures, path)
    for (source, target), (words, _) in list(zip(pairs["test"], translations, strict=True))[:5]:
        print(f"\n  {' '.join(source)}\n  {' '.join(target)}\n> {' '.join(words)}")
    if translations[0][1] is not None:
        picture = draw(pairs["test"], translations, Path(pictures) / f"{name}.png")
        print(f"\nAlignments of test sentences plotted in {picture}")
    print(keras_attention.export.how_to_serve(path))
    return Outcome(network, (german, english), figures, pairs["test"], translations)


def load_pairs(part, quick=False):
    """Load the (German, English) sentences of a split; only a few short ones if `quick`."""
    pairs = load_sentence_pairs(part, "de", "en")
    if not quick:
        return pairs
    return [(de, en) for de, en in pairs[:500] if choose_length(split(de), split(en)) == LENGTHS[0]]


def choose_length(source, target):
    """Return the one of `LENGTHS` to which a pair is padded or truncated."""
    size = max(len(source), len(target) + 1)
    return next((length for length in LENGTHS if size <= length), LENGTHS[-1])


def make_arrays(pairs, length, german, english):
    """Encode pairs as padded ids ((source, target shifted right), target)."""
    source = german.encode([s for s, _ in pairs], length)
    target = english.encode([["<s>", *t[: length - 1], "</s>"] for _, t in pairs], length + 1)
    return (source, target[:, :-1]), target[:, 1:]


def make_batches(pairs, german, english, rng):
    """Return a shuffled data set of full batches of sentences of similar length."""
    batches = []
    for length in LENGTHS:
        members = [pair for pair in pairs if choose_length(*pair) == length]
        order = rng.permutation(len(members))
        for first in range(0, len(order) - BATCH + 1, BATCH):
            chosen = [members[i] for i in order[first : first + BATCH]]
            batches.append(make_arrays(chosen, length, german, english))
    rng.shuffle(batches)
    return as_dataset(batches)


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


def translate(network, pairs, german, english, beam_width):
    """Translate the sources; return (words, alignment or None) of the best translation of each."""
    search = tf.function(
        lambda source: network.beam_search(
            source, LENGTHS[-1], beam_width=beam_width, length_penalty=0.6
        ),
        jit_compile=True,
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


def draw(pairs, translations, path):
    """Plot the alignments of four test sentences; return the path."""
    lengths = [len(source) for source, _ in pairs]
    indices = [i for i in range(len(pairs)) if 8 <= lengths[i] <= 14][:4]
    sources = [pairs[i][0] for i in indices]
    weights = [translations[i][1] for i in indices]
    targets = [[*translations[i][0], "</s>"][: len(weights[0])] for i in indices]
    keras_attention.visualize.heatmap(weights, sources, targets, path=path)
    return path


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
