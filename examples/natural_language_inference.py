"""Does one sentence entail another? Inference by attention alone (Parikh et al. 2016).

    "A man rides a bike." and "A person rides a vehicle."  ->  entailment

    python examples/natural_language_inference.py --data snli               # TFDS downloads SNLI
    python examples/natural_language_inference.py                           # an artificial task
    python examples/natural_language_inference.py --model decomposable-intra
    python examples/natural_language_inference.py --model lstmn-deep        # also lstmn-shallow

The decomposable network aligns the words of the two sentences softly, compares each word with the
words it is aligned with, and sums the results: `inference_network.py` has the equations. The other
networks read by LSTMNs (Cheng et al. 2016): see `fusion_network.py`. The example draws the
alignments, and exports an `infer` signature: two texts to a judgment, probabilities and weights.
The run can be interrupted at any time: the same command resumes it after the last completed epoch.

For the artificial task, rules replace words of Multi30k's captions: see `datasets/inference.py`. It
shows that the networks work without SNLI, and compares with nothing published. On SNLI's test pairs
the papers report 86.3 % (decomposable), 86.8 % (with intra-attention), 84.3 and 84.5 % (LSTMN,
shallow and deep fusion, 100 units). docs/results.md has the results here. Differs from the papers:
Adam with a cosine schedule; word vectors that are trained with the network instead of pretrained
ones; no mark before a sentence; sentences truncated to 40 words.
"""

import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

if not __package__:  # run as `python examples/natural_language_inference.py`, from any directory
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import keras_attention
from examples.command_line import run
from examples.datasets import inference
from examples.datasets.inference import LABELS
from examples.datasets.words import Words
from examples.fixed_sizes import fix_sizes
from examples.fusion_network import MODELS as FUSIONS
from examples.fusion_network import make_fusion
from examples.inference_network import MODELS, NAMES, make_decomposable
from examples.reading_export import make_splitter
from examples.report import Report
from examples.training import as_dataset, check_folders, sum_minutes, train
from examples.translation_export import split_in_graph

LENGTHS = (14, 20, 40)  # to which both sentences are padded; XLA compiles one program for each
PAIRS_PER_CALL = 64  # in predictions
TEXTS = (
    [b"A man rides a bike .", b"", b"Two dogs run along the beach, outside."],
    [b"A person rides a vehicle .", b"A woman sleeps .", b"Some animals run."],
)


def main(
    model="decomposable",
    data="rules",
    epochs=6,
    units=200,
    batch=32,
    rate=1e-3,
    seed=0,
    quick=False,
    runs="runs",
    pictures="docs/pictures",
    saved_models="saved_models",
):
    """Train or resume, evaluate, plot and export; return the metrics.

    Args:
        model: Decomposable attention, with or without attention of each sentence to itself; or
            LSTMNs with shallow or deep fusion.
        data: An artificial task, or SNLI.
        units: Width of the word vectors and of all layers.
        batch: Number of pairs in a batch.
        rate: First learning rate; it decays to 0 as a cosine.

    The other arguments are described in `examples.command_line`.
    """
    if quick:
        epochs, units, batch = 2, 8, 8
    keras.utils.set_random_seed(seed)
    name = f"inference_{data}_{model}" + ("_quick" if quick else "")
    directory = Path(runs) / f"{name}-seed{seed}"
    report = Report(directory, seed)
    pairs = {part: x[: 64 if quick else None] for part, x in inference.DATA[data]().items()}
    words = Words(sentence for pair in pairs["train"] for sentence in pair[:2])
    lengths = LENGTHS[-1:] if quick else LENGTHS

    def batches(epoch):
        rng = np.random.default_rng([seed, epoch])
        return as_dataset(make_batches(pairs["train"], words, lengths, batch, rng))

    make_network = make_fusion if model in FUSIONS else make_decomposable
    network, with_weights = make_network(model, len(words), units)
    updates = int(batches(0).cardinality()) * epochs
    network.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, updates)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=True,
    )
    check_folders(network, runs=directory, pictures=pictures, saved_models=saved_models)
    counts = {part: len(part_pairs) for part, part_pairs in pairs.items()}
    print(f"{name}: {counts} pairs, {len(words)} words, {network.count_params():,} weights")

    def measure(part):
        return measure_accuracy(with_weights, part, pairs[part], words)

    settings = {"model": model, "data": data, "epochs": epochs, "units": units, "batch": batch}
    settings |= {"rate": rate, "seed": seed, "pairs": counts}
    curve = train(
        network, batches, epochs, directory, settings, lambda epoch: measure("validation")
    )
    labels = np.bincount([pair.label for pair in pairs["test"]], minlength=len(LABELS))
    figures = {
        **settings,
        "words": len(words),
        "weights": network.count_params(),
        **sum_minutes(curve),
        "learning curve": curve,
        "validation accuracy": curve[-1]["validation accuracy"],
        **measure("test"),
        "most frequent label of test": round(float(labels.max() / labels.sum()), 4),
    }
    draw(with_weights, pairs["validation"], words, Path(pictures) / f"{name}.png")
    path = export(with_weights, words, Path(saved_models) / name)
    report.write(figures, path)
    return figures


def encode(pairs, words, length):
    """Return the network's inputs for pairs, padded and truncated to a length."""
    return {
        f"{name}_ids": words.encode([pair[number] for pair in pairs], length)
        for number, name in enumerate(NAMES)
    }


def make_batches(pairs, words, lengths, batch, rng):
    """Return shuffled full batches of pairs of similar length: inputs, and labels (batch,)."""
    longest = [max(len(pair.premise), len(pair.hypothesis)) for pair in pairs]
    groups = np.minimum(np.searchsorted(lengths, longest), len(lengths) - 1)
    batches = []
    for group, length in enumerate(lengths):
        order = rng.permutation(np.flatnonzero(groups == group))
        for first in range(0, len(order) - batch + 1, batch):
            chosen = [pairs[index] for index in order[first : first + batch]]
            labels = np.array([pair.label for pair in chosen], "int32")
            batches.append((encode(chosen, words, length), labels))
    rng.shuffle(batches)
    return batches


def measure_accuracy(network, part, pairs, words):
    """Return the share of pairs whose label is right."""
    call = tf.function(lambda inputs: network(inputs)["logits"], reduce_retracing=True)
    right = 0
    for first in range(0, len(pairs), PAIRS_PER_CALL):
        chosen = pairs[first : first + PAIRS_PER_CALL]
        logits = call(encode(chosen, words, LENGTHS[-1])).numpy()
        right += np.sum(logits.argmax(-1) == [pair.label for pair in chosen])
    return {f"{part} accuracy": round(float(right / len(pairs)), 4)}


def draw(network, pairs, words, path):
    """Plot the alignments of the first pair of each label that has at most 12 words."""
    is_short = [max(len(pair.premise), len(pair.hypothesis)) <= 12 for pair in pairs]
    short = [pair for pair, short in zip(pairs, is_short, strict=True) if short]
    drawn = [next(p for p in (*short, *pairs) if p.label == label) for label in range(len(LABELS))]
    outputs = network(encode(drawn, words, LENGTHS[-1]))
    predicted = outputs.pop("logits").numpy().argmax(-1)
    matrices, sources, targets, titles = [], [], [], []
    for row, pair in enumerate(drawn):
        first, second = (sentence[: LENGTHS[-1]] for sentence in pair[:2])
        axes = {"weights": (first, second), "hypothesis_weights": (second, first)}
        for name, weights in outputs.items():
            target, source = axes[name]
            matrices.append(weights.numpy()[row, : len(target), : len(source)])
            sources.append(source)
            targets.append(target)
            titles.append(f"{LABELS[pair.label]} (network: {LABELS[predicted[row]]})")
    keras_attention.visualize.heatmap(
        matrices, sources, targets, titles=titles, columns=len(outputs), path=path
    )
    print(f"Alignments of three pairs plotted in {path}")


def export(network, words, directory):
    """Export a SavedModel with the signature `infer`; return its path.

    Its weights are those of the first words of each sentence, padded with zeros.
    """
    length = LENGTHS[-1]
    split, table = make_splitter(words, split_text=split_in_graph, length=length)
    labels = tf.constant(LABELS)

    @tf.function
    def infer(premise, hypothesis):
        sides = {"premise": split(premise), "hypothesis": split(hypothesis)}
        ids = {f"{name}_ids": ids for name, (_, ids) in sides.items()}
        outputs = network(ids, training=False)
        probabilities = keras.ops.softmax(outputs.pop("logits"))
        return {
            "judgment": tf.gather(labels, tf.argmax(probabilities, axis=-1)),
            "probabilities": probabilities,
            **{f"{name}_words": fix_sizes(x, (length,)) for name, (x, _) in sides.items()},
            **{name: fix_sizes(weights, (length, length)) for name, weights in outputs.items()},
        }

    specs = [tf.TensorSpec((None,), tf.string, name=name) for name in NAMES]
    examples = []
    for rows in (1, 3):
        texts = {name: np.array(x[:rows]) for name, x in zip(NAMES, TEXTS, strict=True)}
        ids = {f"{name}_ids": split(tf.constant(x))[1].numpy() for name, x in texts.items()}
        examples.append({**texts, **ids})
    path = keras_attention.export.saved_model(
        network, directory, signatures={"infer": (infer, specs, [table])}, example=examples
    )
    print(keras_attention.export.how_to_serve(path))
    return path


if __name__ == "__main__":
    run(main, model=(*MODELS, *FUSIONS), data=tuple(inference.DATA))
