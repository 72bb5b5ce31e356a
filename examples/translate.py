"""RNNsearch (Bahdanau 2015), Luong's variants (2015) and GNMT (Wu 2016) on Multi30k German-English.

    "Ein Hund läuft im Schnee."  ->  "a dog runs in the snow ."

    python examples/translate.py                      # additive attention
    python examples/translate.py --attention none     # the same without attention, for comparison
    python examples/translate.py --model gnmt         # deep stacks with residual connections

The vocabulary has the lower-case words that occur at least twice; batches have sentences of similar
length. Every variant of the shallow model has a bidirectional GRU encoder and a GRU decoder of the
same size; GNMT has `--layers` LSTM layers on each side. Test sentences are translated by beam
search, and scored by sacrebleu. The run can be interrupted at any time: the same command resumes it
after the last completed epoch.

The papers' results are for WMT (RNNsearch-50 26.75 BLEU, against 17.82 without attention: 1.50
times as much), with other data, other languages and 380 times our training time, so that only the
direction is comparable. The first two commands reach 33.5 and 13.2 BLEU, seed 0; docs/results.md
has the details.
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
from examples.gnmt_network import GNMT
from examples.translation import run_experiment
from examples.translation_batches import LENGTHS

MODELS = ("shallow", "gnmt")
DROPOUT = 0.3


def main(
    model="shallow",
    attention="additive",
    layers=4,
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
        model: "shallow", of one layer on each side, or "gnmt".
        attention: The kind of attention of the shallow model; that of GNMT is additive.
        layers: Number of layers of each side of GNMT.
        units: Width of the embeddings, of the memory and of the decoder's state.
        beam_width: Number of hypotheses of the beam search.

    The other arguments are described in `examples.command_line`.
    """
    if quick:
        epochs, layers, units = 2, 3, 16
    outcome = run_experiment(
        *choose_network(model, attention, layers, units),
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


def choose_network(model, attention, layers, units):
    """Return the first arguments of `run_experiment`: name, functions, loss and settings.

    The arguments are described in `main`.
    """
    if model == "gnmt":
        name, settings = model, {"layers": layers, "units": units}
    else:
        name, settings = attention, {"attention": attention, "units": units}
    return (
        f"translate_{name}",
        lambda german, english: make_network(model, len(german), len(english), settings),
        lambda steps: keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(2e-3, steps), clipnorm=1.0
        ),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0),
        settings,
    )


def make_network(model, source_size, target_size, settings):
    """Return a network of one of `MODELS`, for vocabularies of these sizes."""
    sizes = source_size, target_size, Words.start, Words.end
    if model == "gnmt":
        return GNMT(*sizes, settings["units"], settings["layers"], dropout=DROPOUT)
    embedding, max_source = settings["units"], LENGTHS[-1]
    return EncoderDecoder(*sizes, embedding, **settings, max_source=max_source, dropout=DROPOUT)


if __name__ == "__main__":
    run(main, model=MODELS, attention=ATTENTIONS, strategy=STRATEGIES)
