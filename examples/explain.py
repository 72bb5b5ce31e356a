"""Explanations of two models by gradients, and how far attention weights agree with them.

    an image of a seven         ->  7, and the pixels on which that depends
    "4 de agosto de 2027"       ->  2027-08-04, and the characters on which each digit depends

    python examples/explain.py                 # digits at random places of an image
    python examples/explain.py --model dates   # the translator of dates

The classifier of digits never learns where a digit is; the example measures how often its largest
gradient lies on the digit (the pointing game). For the translator, it compares the attention
weights, the explicit alignment, with the gradients of each output character with respect to each
input character, the implicit one: by their rank correlation, and by how fast the probability of the
output falls as the most important characters are replaced by an unknown one (deletion curves).

Both train under XLA, plot, and export a signature `explain`, which computes the saliency of a
request's prediction in the served graph. The run can be interrupted at any time: the same command
resumes it after the last completed epoch.

No paper has these experiments. They have not been run to the end yet, so there are no numbers.
"""

import sys
from pathlib import Path

import keras
import numpy as np

if not __package__:  # run as `python examples/explain.py`, from any directory
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from examples import explained_dates, explained_digits
from examples.command_line import run
from examples.report import Report
from examples.training import check_folders, sum_minutes, train

MODELS = {"digits": explained_digits.Experiment, "dates": explained_dates.Experiment}


def main(
    model="digits",
    epochs=0,
    seed=0,
    quick=False,
    runs="runs",
    pictures="docs/pictures",
    saved_models="saved_models",
):
    """Train or resume, explain, plot and export; return the metrics.

    Args:
        model: The model to explain: a classifier of digits, or the translator of dates.
        epochs: Number of epochs; 0 for the model's own number, 3 for digits and 6 for dates.

    The other arguments are described in `examples.command_line`.
    """
    keras.utils.set_random_seed(seed)
    experiment = MODELS[model](seed, quick, epochs)
    name = f"explain_{model}" + ("_quick" if quick else "")
    directory = Path(runs) / f"{name}-seed{seed}"
    report = Report(directory, seed)
    network = experiment.network
    check_folders(network, runs=directory, pictures=pictures, saved_models=saved_models)
    print(f"{name}: {network.count_params():,} weights")
    curve = train(
        network,
        lambda epoch: experiment.make_batches(np.random.default_rng([seed, epoch])),
        experiment.epochs,
        directory,
        {**experiment.settings, "epochs": experiment.epochs, "seed": seed},
        lambda epoch: experiment.measure("validation"),
    )
    figures = {
        "weights": network.count_params(),
        **sum_minutes(curve),
        **experiment.measure("test"),
        **experiment.compare(),
    }
    experiment.draw(Path(pictures) / f"{name}.png")
    report.write(figures, experiment.export(Path(saved_models) / name))
    return figures


if __name__ == "__main__":
    run(main, model=tuple(MODELS))
