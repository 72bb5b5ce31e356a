"""The Transformer (Vaswani et al. 2017) on Multi30k German-English.

    "Ein Hund läuft im Schnee."  ->  "a dog runs in the snow ."

    python examples/transformer.py

Encoder and decoder of three layers each, sinusoidal positions, label smoothing, learning-rate
warm-up, and beam search with a key/value cache. The data, the batches and the metrics are those of
`examples/translate.py`. Both languages share one vocabulary. One embedding matrix, scaled, serves
the source, the target and the logits. The run can be interrupted at any time: the same command
resumes it after the last completed epoch.

The paper's results are for WMT (base model 27.3 BLEU English-German, 6 layers of 512 units, 12
hours on 8 P100). The options for a model of that size, on a GPU, are `--blocks 6 --units 512
--hidden 2048 --epochs 40 --warmup 4000`. The command above reaches 36.4 BLEU on the test set, seed
0, in 79 minutes of processor time. docs/results.md compares it with recurrent networks. Differs
from the paper: the learning rate decays by a cosine, gradients are clipped, words instead of
subwords, attention with biases, no averaging of checkpoints.
"""

import sys
from pathlib import Path

import keras
from keras import ops

if not __package__:  # run as `python examples/transformer.py`, from any directory
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import keras_attention
from examples.command_line import run
from examples.datasets.words import Words
from examples.distribution import STRATEGIES
from examples.transformer_network import Transformer
from examples.translation import run_experiment
from examples.translation_batches import make_arrays


def main(
    epochs=12,
    blocks=3,
    heads=8,
    units=256,
    hidden=512,
    dropout=0.2,
    label_smoothing=0.1,
    warmup=400,
    peak=1e-3,
    norm="post",
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
        blocks: Number of blocks of the encoder, and of the decoder.
        heads: Number of heads of every attention.
        units: Width of the embeddings and of all layers.
        hidden: Width of the feed-forward networks.
        dropout: Dropout rate.
        label_smoothing: Share of the target probability that is spread over all words.
        warmup: Number of steps in which the learning rate rises to its peak.
        peak: Maximum learning rate.
        norm: Position of the layer normalizations.
        beam_width: Number of hypotheses of the beam search.

    The other arguments are described in `examples.command_line`.
    """
    if quick:
        epochs, blocks, heads, units, hidden, warmup = 2, 1, 2, 16, 16, 1
    settings = {
        "blocks": blocks,
        "heads": heads,
        "units": units,
        "hidden": hidden,
        "dropout": dropout,
        "norm": norm,
    }
    schedule = {"label_smoothing": label_smoothing, "warmup": warmup, "peak": peak}
    outcome = run_experiment(
        "transformer",
        lambda words, _: Transformer(len(words), Words.start, Words.end, **settings),
        lambda steps: make_optimizer(steps, warmup, peak),
        make_smoothed_cross_entropy(label_smoothing),
        {**settings, **schedule},
        joint_words=True,
        epochs=epochs,
        seed=seed,
        beam_width=beam_width,
        strategy=strategy,
        quick=quick,
        runs=runs,
        pictures=pictures,
        saved_models=saved_models,
    )
    name = "transformer_heads" + ("_quick" if quick else "")
    source, _ = next(pair for pair in outcome.pairs if 6 <= len(pair[0]) <= 8)
    target, _ = outcome.translations[[words for words, _ in outcome.pairs].index(source)]
    draw_heads(outcome, source, target, Path(pictures) / f"{name}.png")
    write_views(outcome, source, target, Path(pictures), name)
    return outcome.figures


def make_optimizer(steps, warmup, peak):
    """Return the paper's optimizer, with a linear warm-up to `peak` and a cosine decay to 0."""
    if not 0 <= warmup < steps:
        raise ValueError(
            f"Expected `warmup` to be less than the {steps} steps of all epochs. "
            f"Received: warmup={warmup}"
        )
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps - warmup, warmup_target=peak, warmup_steps=warmup
    )
    return keras.optimizers.Adam(rate, beta_2=0.98, epsilon=1e-9, clipnorm=1.0)


def make_smoothed_cross_entropy(smoothing):
    """Return a cross entropy with label smoothing that leaves out padding.

    The loss has one value per word, (batch, T). Keras takes their mean and divides it by the number
    of replicas, which it would not do with a scalar.
    """

    def loss(target, logits):
        entropy = keras.losses.sparse_categorical_crossentropy(target, logits, from_logits=True)
        uniform = ops.logsumexp(logits, axis=-1) - ops.mean(logits, axis=-1)
        costs = (1 - smoothing) * entropy + smoothing * uniform
        is_word = ops.not_equal(target, 0)
        return ops.where(is_word, costs, 0.0) / ops.mean(ops.cast(is_word, costs.dtype))

    return loss


def draw_heads(outcome, source, target, path):
    """Plot the attention to the source of every decoder block and head, for one translation."""
    network, length = outcome.network, max(len(source), len(target) + 1)
    (source_ids, shifted), _ = make_arrays([(source, target)], length, *outcome.vocabularies)
    memory, mask = network.encode(source_ids)
    x, weights = network.positions(network.embed(shifted)), []
    for block in network.decoder:
        x, _, heads = block(x, memory, memory_mask=mask, return_attention_scores=True)
        weights += list(ops.convert_to_numpy(heads)[0, :, : len(target) + 1, : len(source)])
    count = len(weights) // len(network.decoder)
    keras_attention.visualize.heatmap(
        weights,
        [source] * len(weights),
        [[*target, "</s>"]] * len(weights),
        titles=[f"block {i // count + 1}, head {i % count + 1}" for i in range(len(weights))],
        columns=count,
        path=path,
    )


def write_views(outcome, source, target, directory, name):
    """Write a page for each kind of attention: in the encoder, in the decoder, and across."""
    network, length = outcome.network, max(len(source), len(target) + 1)
    inputs, _ = make_arrays([(source, target)], length, *outcome.vocabularies)
    previous_words, next_words = ["<s>", *target], [*target, "</s>"]
    encoder = keras_attention.attention_weights(network.model, inputs, network.encoder)
    decoder = keras_attention.attention_weights(network.model, inputs, network.decoder)
    is_cross = {path: path.endswith("cross_attention") for path in decoder}
    self_attention = {path: array for path, array in decoder.items() if not is_cross[path]}
    cross_attention = {path: array for path, array in decoder.items() if is_cross[path]}
    views = {
        "encoder": (encoder, source, source),
        "self_attention": (self_attention, previous_words, previous_words),
        "cross_attention": (cross_attention, next_words, source),
    }
    for kind, (weights, queries, keys) in views.items():
        path = directory / f"{name}_{kind}.html"
        keras_attention.visualize.model_view(weights, queries, keys, path=path)


if __name__ == "__main__":
    run(main, norm=("post", "pre"), strategy=STRATEGIES)
