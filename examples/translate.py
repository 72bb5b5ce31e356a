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

import sys
from pathlib import Path

import keras

if not __package__:  # run as `python examples/translate.py`, from any directory
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from examples.command_line import run
from examples.datasets.words import Words
from examples.distribution import STRATEGIES
from examples.encoder_decoder import ATTENTIONS, EncoderDecoder
from examples.translation import LENGTHS, experiment


def main(
    attention="additive",
    epochs=16,
    units=256,
    seed=0,
    beam_width=5,
    strategy="none",
    quick=False,
    runs="runs",
    pictures="docs/pictures",
    saved_models="saved_models",
):
    """Trains or resumes, evaluates on the test set, draws and exports; returns the figures."""
    if quick:
        epochs, units = 2, 16
    outcome = experiment(
        f"translate_{attention}",
        lambda german, english: EncoderDecoder(
            len(german),
            len(english),
            Words.start,
            Words.end,
            embedding=units,
            units=units,
            attention=attention,
            max_source=LENGTHS[-1],
            dropout=0.3,
        ),
        lambda steps: keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(2e-3, steps), clipnorm=1.0
        ),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0),
        {"attention": attention, "units": units},
        epochs=epochs,
        seed=seed,
        beam_width=beam_width,
        strategy=strategy,
        quick=quick,
        runs=runs,
        pictures=pictures,
        saved_models=saved_models,
    )
    return outcome.figures


if __name__ == "__main__":
    run(main, attention=ATTENTIONS, strategy=STRATEGIES)
