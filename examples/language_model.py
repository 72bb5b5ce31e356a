"""A character language model (GPT-like) on Tiny Shakespeare, which writes text.

    "ROMEO:"  ->  " What, art thou gone?"

    python examples/language_model.py                        # predicts the next character
    python examples/language_model.py --objective masked     # predicts masked characters, as BERT

Pre-norm Transformer blocks with rotary positions and causal masks are trained under XLA. Text is
sampled with a key/value cache. The example plots the attention of every head and the learning
curve, and exports a `complete` signature: prompt, length, temperature and seed to text. The run can
be interrupted at any time: the same command resumes it after the last completed epoch.

nanoGPT (https://github.com/karpathy/nanoGPT) reports a validation loss of 1.88 nats per character
after 2,000 steps of 12 windows of 64 characters with four blocks of width 128, in three minutes on
a CPU, and 1.47 with 10 million weights on a GPU. The first command reaches 1.44 on the validation
text and 1.59 on the test text, seed 0, in 13 minutes of processor time, with four times as many
training characters as those 2,000 steps; docs/results.md has the details. Differs from nanoGPT:
rotary instead of learned positions, longer windows, attention limited to `context` positions, so
that texts of any length can be written, separate matrices for embeddings and logits, a learning
rate that decays to 0. nanoGPT's validation text is TFDS's validation text and its test text.
"""

import sys
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import ops

if not __package__:  # run as `python examples/language_model.py`, from any directory
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import keras_attention
from examples import curves, distribution
from examples.command_line import run
from examples.datasets import shakespeare
from examples.language_export import MAX_LENGTH, export, make_complete
from examples.language_network import LanguageModel
from examples.report import Report
from examples.training import as_dataset, check_folders, sum_minutes, train

OBJECTIVES = ("next", "masked")
WARMUP_SHARE = 0.05  # of all steps
WINDOWS_PER_CALL = 32  # of the network, in evaluations
NANOGPT_LOSS = 1.88
PROMPT = "ROMEO:"
# A masked language model predicts the characters that are not in its vocabulary.
DRAWN_TEXTS = {"next": "My lord is dead.", "masked": "My lo_d is de_d."}


def main(
    objective="next",
    epochs=6,
    context=128,
    blocks=4,
    heads=4,
    units=128,
    dropout=0.0,
    batch=16,
    peak=2e-3,
    temperature=0.8,
    seed=0,
    strategy="none",
    quick=False,
    runs="runs",
    pictures="docs/pictures",
    saved_models="saved_models",
):
    """Train or resume, evaluate, write text, plot and export; return the metrics.

    Args:
        objective: Predict the next character, or masked characters.
        context: Number of characters in a window, to which attention is limited.
        blocks: Number of blocks.
        heads: Number of heads of every attention.
        units: Width of the embeddings and of all blocks.
        dropout: Dropout rate.
        batch: Number of windows in a batch.
        peak: Maximum learning rate.
        temperature: Temperature of the printed text.

    The other arguments are described in `examples.command_line`.
    """
    if quick:
        epochs, context, blocks, heads, units, batch = 2, 16, 1, 2, 8, 8
    devices = distribution.strategy(strategy)
    keras.utils.set_random_seed(seed)
    name = "language_model" + ("" if objective == "next" else f"_{objective}")
    name += "_quick" if quick else ""
    directory = Path(runs) / f"{name}-seed{seed}"
    report = Report(directory, seed)
    texts = shakespeare.load_texts()
    characters = shakespeare.Characters(texts["train"])
    ids = {part: characters.encode(text[: 1500 if quick else None]) for part, text in texts.items()}

    def batches(epoch):
        rng = np.random.default_rng([seed, epoch])
        windows = shakespeare.sample_windows(ids["train"], context, batch, rng)
        return as_dataset([make_pair(*pair, objective, characters, rng) for pair in windows])

    steps = int(batches(0).cardinality()) * epochs
    with devices.scope():
        network = LanguageModel(
            len(characters), context, blocks, heads, units, dropout, causal=objective == "next"
        )
        network.model.compile(
            make_optimizer(steps, peak),
            keras.losses.SparseCategoricalCrossentropy(
                from_logits=True, ignore_class=shakespeare.NO_TARGET
            ),
            jit_compile=True,
        )
    check_folders(network.model, runs=directory, pictures=pictures, saved_models=saved_models)
    sizes = {part: len(split) for part, split in ids.items()}
    print(f"{name}: {sizes} characters, {steps} steps, {network.model.count_params():,} weights")
    score = tf.function(lambda *pair: sum_costs(network.model, *pair), jit_compile=True)
    settings = {"objective": objective, "epochs": epochs, "context": context, "blocks": blocks}
    settings |= {"heads": heads, "units": units, "dropout": dropout, "batch": batch, "peak": peak}
    settings |= {"seed": seed, "characters": sizes}
    curve = train(
        network.model,
        batches,
        epochs,
        directory,
        settings,
        lambda epoch: evaluate("validation", ids, score, context, objective, characters),
        count_targets=count_targets,
    )
    figures = {
        **settings,
        "weights": network.model.count_params(),
        **sum_minutes(curve),
        "learning curve": curve,
        **{k: round(v, 4) for k, v in curve[-1].items() if k.startswith("validation")},
        **evaluate("test", ids, score, context, objective, characters),
    }
    heads_path = Path(pictures) / f"{name}_heads.png"
    draw_heads(network, characters, DRAWN_TEXTS[objective], heads_path)
    path = None
    if objective == "next":
        figures |= measure_speed(network, characters)
        complete = make_complete(network, characters)
        requests = {"text": [PROMPT], "length": [MAX_LENGTH], "temperature": [temperature]}
        print(PROMPT + complete(**requests, seed=[seed])["text"].numpy()[0].decode())
        draw_curve(curve, batch * context * steps / epochs, Path(pictures) / f"{name}_curve.png")
        path = export(network, complete, Path(saved_models) / name)
        print(keras_attention.export.how_to_serve(path))
    report.write(figures, path)
    return figures


def make_pair(inputs, next_ids, objective, characters, rng):
    """Return the inputs and the targets of an objective for windows and their next ids."""
    if objective == "next":
        return inputs, next_ids
    return shakespeare.mask_characters(inputs, characters.masked, rng)


def make_optimizer(steps, peak):
    """Return AdamW, with a linear warm-up to the rate `peak` and a cosine decay to 0."""
    warmup = int(WARMUP_SHARE * steps)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps - warmup, warmup_target=peak, warmup_steps=warmup
    )
    return keras.optimizers.AdamW(rate, weight_decay=0.1, beta_2=0.99, global_clipnorm=1.0)


def count_targets(targets):
    """Return the number of characters that are predicted."""
    return tf.math.count_nonzero(targets != shakespeare.NO_TARGET)


def sum_costs(model, inputs, targets):
    """Return the summed cross entropy of the predicted characters of a batch, in nats."""
    logits = model(inputs, training=False)
    is_predicted = targets != shakespeare.NO_TARGET
    costs = keras.losses.sparse_categorical_crossentropy(
        ops.where(is_predicted, targets, 0), logits, from_logits=True
    )
    return ops.sum(ops.where(is_predicted, costs, 0.0))


def evaluate(part, ids, score, context, objective, characters):
    """Return the mean cross entropy of a split's predicted characters, in nats.

    The text is cut into windows, as in training. The mean includes the first characters of every
    window, which have little context.
    """
    windows = shakespeare.cut_windows(ids[part], context)
    rng = np.random.default_rng(0)  # masks the same characters after each epoch
    inputs, targets = make_pair(*windows, objective, characters, rng)
    costs = 0.0
    for first in range(0, len(inputs), WINDOWS_PER_CALL):
        pair = [array[first : first + WINDOWS_PER_CALL] for array in (inputs, targets)]
        rows = [(0, WINDOWS_PER_CALL - len(pair[0])), (0, 0)]
        padding = (0, shakespeare.NO_TARGET)
        pair = [np.pad(x, rows, constant_values=v) for x, v in zip(pair, padding, strict=True)]
        costs += float(score(*pair))
    return {f"{part} loss": round(costs / int(count_targets(targets)), 4)}


def measure_speed(network, characters):
    """Return the characters per second of one text of `context` characters, compiled by XLA."""
    prompt = tf.constant(characters.encode("\n")[None])

    def write_with_cache(ids):
        return network.sample(ids, [1], network.context, seed=0).tokens

    def write_without_cache(ids):
        return network.sample_without_cache(ids, seed=0).tokens

    figures = {}
    functions = {"with the cache": write_with_cache, "without the cache": write_without_cache}
    for name, function in functions.items():
        compiled, durations = tf.function(function, jit_compile=True), []
        compiled(prompt)
        for _ in range(3):
            start = time.perf_counter()
            compiled(prompt).numpy()
            durations.append(time.perf_counter() - start)
        figures[f"characters per second {name}"] = round(network.context / min(durations))
    return figures


def draw_heads(network, characters, text, path):
    """Plot the attention of every block and head over a text."""
    weights = network.attention(characters.encode(text)[None])
    heads = [head for block in weights for head in block.numpy()[0]]
    count = len(heads) // len(weights)
    keras_attention.visualize.heatmap(
        heads,
        [text] * len(heads),
        [text] * len(heads),
        titles=[f"block {i // count + 1}, head {i % count + 1}" for i in range(len(heads))],
        columns=count,
        path=path,
    )
    page = path.with_suffix(".html")
    keras_attention.visualize.model_view(weights, text, path=page)
    print(f"Attention of every head plotted in {path} and {page}")


def draw_curve(curve, characters_per_epoch, path):
    """Plot the validation loss against the number of training characters."""
    curves.draw(
        {"validation": curve},
        "validation loss",
        path,
        "millions of training characters",
        "nats per character",
        each=characters_per_epoch / 1e6,
        lines={"nanoGPT's small setting": NANOGPT_LOSS},
    )


if __name__ == "__main__":
    run(main, objective=OBJECTIVES, strategy=distribution.STRATEGIES)
