"""RNNsearch (Bahdanau 2015) and Luong's variants (2015) on Multi30k German-English.

    "Ein Hund läuft im Schnee."  ->  "a dog runs in the snow ."

    python examples/translate.py                      # additive attention
    python examples/translate.py --attention none     # the same without attention, for comparison

The vocabulary has the lower-case words that occur at least twice; batches have sentences of similar
length. Every variant has a bidirectional GRU encoder and a GRU decoder of the same size. Test
sentences are translated by beam search, and scored by sacrebleu. The run can be interrupted at any
time: the same command resumes it after the last completed epoch.

The papers' results are for WMT (RNNsearch-50 26.75 BLEU, against 17.82 without attention: 1.50
times as much), with other data, other languages and 380 times our training time, so that only the
direction is comparable. The commands above reach 33.5 and 13.2 BLEU, seed 0; docs/results.md has
the details.
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
from examples.translation import LENGTHS, run_experiment


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
    """Train or resume, evaluate on the test set, plot and export; return the metrics.

    Args:
        attention: The kind of attention.
        units: Width of the embeddings, of the memory and of the decoder's state.
        beam_width: Number of hypotheses of the beam search.

    The other arguments are described in `examples.command_line`.
    """
    if quick:
        epochs, units = 2, 16
    outcome = run_experiment(
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
