"""Read sentences by an LSTM that attends to its own past, the LSTMN (Cheng et al. 2016).

    "shares fell in new"  ->  "york", and the weights with which each word looked back

    python examples/machine_reading.py                      # a language model, Penn Treebank
    python examples/machine_reading.py --model lstm         # the same with a plain LSTM
    python examples/machine_reading.py --task sentiment     # Stanford Sentiment Treebank

Every sentence is read by itself. The language model is measured by its perplexity on validation
after every epoch, and on test once, at the end. The example draws the weights of a sentence as a
heatmap and as lines of colored words, as in the paper, and exports the signatures `next_word` and
`perplexity`, or `classify`. The run can be interrupted at any time: the same command resumes it. An
epoch is divided into rounds, with a checkpoint after each one. The learning rate does not depend on
the number of epochs: the same command with more epochs continues a finished run.

The paper reports test perplexities of 115 (LSTM) and 108 (LSTMN) with one layer of 300 units, and
47.6 % of the sentiments right in five classes, 86.3 % in two. docs/results.md has the results here.
Differs from the paper: Adam with a rate that decays after each batch, instead of SGD; dropout;
training sentences of more than 40 steps are divided; for sentiment, word vectors that are trained
with the network instead of pretrained ones, and the accuracy of two classes is that of the network
for five.
"""

import sys
from pathlib import Path

import keras
import numpy as np

if not __package__:  # run as `python examples/machine_reading.py`, from any directory
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import keras_attention
from examples import curves
from examples.command_line import run
from examples.datasets.treebank import MAX_STEPS
from examples.reading_export import export
from examples.reading_network import MODELS, Reader
from examples.reading_tasks import TASKS
from examples.report import Report
from examples.training import as_dataset, check_folders, sum_minutes, train

ROUNDS = 8  # of an epoch
PAPER = {"paper's LSTM": 115, "paper's LSTMN": 108}
DRAWN_LENGTHS = range(9, 18)  # of the sentence that is drawn


def main(
    task="language",
    model="lstmn",
    epochs=12,
    units=300,
    embedding=150,
    dropout=0.3,
    steps=1024,
    rate=2e-3,
    decay=0.8,
    seed=0,
    quick=False,
    runs="runs",
    pictures="docs/pictures",
    saved_models="saved_models",
):
    """Train or resume, evaluate, plot and export; return the metrics.

    Args:
        task: Predict the next word, or the sentiment of a sentence.
        model: An LSTM that attends to its own past (LSTMN), or a plain LSTM.
        units: Width of the states.
        embedding: Width of the word vectors.
        dropout: Dropout rate of word vectors and states.
        steps: Number of steps in a batch, padding included.
        rate: First learning rate.
        decay: Factor of the learning rate after each epoch.

    The other arguments are described in `examples.command_line`.
    """
    rounds = ROUNDS
    if quick:
        epochs, units, embedding, steps, rounds = 2, 8, 8, 48, 2
    keras.utils.set_random_seed(seed)
    name = f"machine_reading_{task}_{model}" + ("_quick" if quick else "")
    directory = Path(runs) / f"{name}-seed{seed}"
    report = Report(directory, seed)
    data = TASKS[task](quick)

    def batches(round_number):
        epoch, part = divmod(round_number, rounds)
        epoch_batches = data.make_batches(steps, np.random.default_rng([seed, epoch]))
        return as_dataset(epoch_batches[part::rounds])

    reader = Reader(model, len(data.words), units, embedding, dropout)
    network, _ = data.make_networks(reader, data.lengths[-1])
    # The same network with more steps, which training does not need.
    _, trained = data.make_networks(reader, MAX_STEPS)
    updates = len(data.make_batches(steps, np.random.default_rng(seed)))
    schedule = keras.optimizers.schedules.ExponentialDecay(rate, updates, decay)
    optimizer = keras.optimizers.Adam(schedule, global_clipnorm=5.0)
    network.compile(optimizer, data.make_loss(), jit_compile=True)
    check_folders(network, runs=directory, pictures=pictures, saved_models=saved_models)
    counts = {part: len(sentences) for part, sentences in data.sentences.items()}
    print(f"{name}: {counts} sentences, {updates} updates, {network.count_params():,} weights")

    def measure(part):
        trained.set_weights(network.get_weights())
        return data.measure(trained, part, steps)

    settings = {"task": task, "model": model, "units": units, "embedding": embedding}
    settings |= {"dropout": dropout, "steps": steps, "rate": rate, "decay": decay, "seed": seed}
    curve = train(
        network,
        batches,
        epochs * rounds,
        directory,
        {**settings, "sentences": counts, "rounds": rounds},
        lambda number: measure("validation") if (number + 1) % rounds == 0 else {},
    )
    epoch_ends = curve[rounds - 1 :: rounds]
    figures = {
        **settings,
        "epochs": epochs,
        "sentences": counts,
        "words": len(data.words),
        "weights": network.count_params(),
        **sum_minutes(curve),
        "learning curve": curve,
        **{k: v for k, v in epoch_ends[-1].items() if k.startswith("validation")},
        **measure("test"),
    }
    draw(trained, data, Path(pictures) / name)
    if task == "language":
        draw_curve(epoch_ends, model, Path(pictures) / f"{name}_curve.png")
    path = export(trained, task, data.words, Path(saved_models) / name)
    report.write(figures, path)
    return figures


def draw(network, data, path):
    """Draw the weights over the past of a validation sentence, if the network has weights.

    The heatmap has a row for each step. The page and the picture of colored text have a line for
    each step: the steps before it, colored by their weights, and the step's own word.
    """
    sentences = [s for s in data.sentences["validation"] if "<unk>" not in s]
    sentence = next((s for s in sentences if len(s) in DRAWN_LENGTHS), sentences[0])
    [sample] = data.encode([sentence])
    ids = sample[0] if isinstance(sample, tuple) else sample
    outputs = network(ids[None])
    if "weights" not in outputs:
        return
    words = [data.words.words[id] for id in ids]
    weights = outputs["weights"].numpy()[0, :, : len(words)]
    keras_attention.visualize.heatmap(weights, words, words, path=f"{path}.png")
    lines = [words[: step + 1] for step in range(1, len(words))]
    line_weights = [weights[step, : step + 1] for step in range(1, len(words))]
    for file in (f"{path}_text.png", f"{path}_text.html"):
        keras_attention.visualize.colored_text(line_weights, lines, path=file)
    print(f"Weights over the past plotted in {path}.png, {path}_text.png and {path}_text.html")


def draw_curve(epoch_ends, model, path):
    """Plot the validation perplexity after each epoch, and the paper's test perplexities."""
    curves.draw(
        {f"{model}, validation": epoch_ends},
        "validation perplexity",
        path,
        "epochs",
        "perplexity per word",
        lines=PAPER,
    )


if __name__ == "__main__":
    run(main, task=tuple(TASKS), model=MODELS)
