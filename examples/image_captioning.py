"""Show, Attend and Tell (Xu et al. 2015): pictures to words, and where each word was seen.

    python examples/image_captioning.py                  # soft attention
    python examples/image_captioning.py --variant hard   # hard attention, by REINFORCE

Pictures are 3x3 grids of MNIST digits with some cells empty, captions their words in reading order.
As in the paper a convolutional network, trained before and then fixed, turns a picture into
annotation vectors, here 7 x 7; an LSTM looks at them before each word. The other variants leave one
part out. Interrupt it as you like: the same command goes on after the last whole epoch.

The paper's figures are of photographs (BLEU-4 on Flickr8k: soft 19.5, hard 21.3). Here, with seed 0
on 10,000 test grids, soft attention got 97.1 % of the captions right and hard 96.7 %; 97.2 and
99.8 % of the digits had the largest weight on their own cell. The fixed network misreads 0.48 % of
single digits. docs/results.md has the other variants.
"""

import hashlib
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

if not __package__:  # run as `python examples/image_captioning.py`, from any directory
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import keras_attention
from examples import distribution
from examples.captioner import Captioner, caption_cost, penalty
from examples.command_line import run
from examples.datasets import digit_grids
from examples.datasets.digit_grids import CELLS, EMPTY, STEPS, WORDS
from examples.digit_encoder import (
    BATCH,
    FEATURES,
    MAP,
    PIXELS,
    cell_of,
    distort,
    misread,
    trained_encoder,
)
from examples.report import Report
from examples.training import as_dataset, check_folders, minutes_of, train

VARIANTS = {
    "soft": {},
    "soft-no-penalty": {"penalty_weight": 0.0},
    "hard": {"hard": True},
    "hard-no-baseline": {"hard": True, "has_baseline": False},
    "hard-no-entropy": {"hard": True, "entropy_weight": 0.0},
    "hard-no-mixing": {"hard": True, "expectation_rate": 0.0},
}
DECODED = 500  # pictures of a call of the decoder


def main(
    variant="soft",
    epochs=16,
    units=128,
    seed=0,
    strategy="none",
    quick=False,
    runs="runs",
    pictures="docs/pictures",
    saved_models="saved_models",
):
    """Trains or resumes, evaluates, draws and exports; returns the test figures."""
    devices = distribution.strategy(strategy)
    suffix = "_quick" if quick else ""
    name = f"image_captioning_{variant}{suffix}"
    directory = Path(runs) / f"{name}-seed{seed}"
    steps, tested = (3, 500) if quick else (250, 10_000)
    epochs = 2 if quick else epochs
    report = Report(directory, seed)
    keras.utils.set_random_seed(seed)
    with devices.scope():
        network = Captioner((MAP * MAP, FEATURES), units, seed=seed, **VARIANTS[variant])
        schedule = keras.optimizers.schedules.CosineDecay(2e-3, epochs * steps)
        network.model.compile(
            keras.optimizers.Adam(schedule, clipnorm=1.0), caption_cost, jit_compile=True
        )
    check_folders(network.model, runs=directory, pictures=pictures, saved_models=saved_models)
    digits = {split: digit_grids.mnist(split) for split in digit_grids.SPLITS}
    encoder, classifier = trained_encoder(
        digits["train"], Path(runs) / f"image_captioning_encoder{suffix}", 2 if quick else 12, steps
    )
    write = tf.function(network.greedy, jit_compile=True)

    def pictures_of(split, count):
        return digit_grids.draw_grids(*digits[split], count, np.random.default_rng(seed))

    images, labels = digits["train"]
    images, cells = digit_grids.draw_grids(
        # The encoder knows these digits: as they are it would see them better than any others.
        distort(images, [seed, 1]),
        labels,
        2 * steps * BATCH,
        np.random.default_rng([seed, 1]),
    )
    # In half precision for the memory's sake.
    features, captions = annotate(encoder, images, "float16"), digit_grids.encode(cells)
    curve = train(
        network.model,
        lambda epoch: batches(features, captions, steps, np.random.default_rng([seed, 2, epoch])),
        epochs,
        directory,
        {
            "variant": variant,
            "epochs": epochs,
            "units": units,
            "seed": seed,
            "steps": steps,
            "encoder": digest(encoder),
        },
        lambda epoch: figures_of(encoder, write, *pictures_of("validation", DECODED)),
    )
    test = pictures_of("test", tested)
    figures = figures_of(encoder, write, *test)
    figures["digits misread by the encoder"] = misread(classifier, *test)
    path = None
    if variant in ("soft", "hard"):
        caption = captioner(encoder, network)
        images, _ = pictures_of("test", 4)
        draw(caption, images, Path(pictures) / f"captioning_{variant}{suffix}.png")
        specs = [tf.TensorSpec((None, PIXELS, PIXELS, 1), tf.uint8, name="image")]
        path = keras_attention.export.saved_model(
            None,
            Path(saved_models) / name,
            signatures={each: (caption, specs) for each in ("serving_default", "decode")},
            example=[{"image": images[:1]}, {"image": images}],
        )
    report.write({"test": figures, "validation": curve[-1], **minutes_of(curve)}, path)
    return figures


def digest(encoder):
    """Names the encoder's weights: decoders of other ones cannot go on with it."""
    return hashlib.sha256(b"".join(each.tobytes() for each in encoder.get_weights())).hexdigest()


def annotate(encoder, images, dtype="float32"):
    """The features of pictures, `DECODED` at a time."""
    parts = [images[first : first + DECODED] for first in range(0, len(images), DECODED)]
    return np.concatenate([encoder.predict_on_batch(part).astype(dtype) for part in parts])


def batches(features, captions, steps, rng):
    """A data set of `steps` batches: ((features, words before), words)."""
    order = rng.permutation(len(captions))

    def draw():
        for chosen in order[: steps * BATCH].reshape(steps, BATCH):
            before = digit_grids.shifted(captions[chosen])
            yield (features[chosen].astype("float32"), before), captions[chosen]

    return as_dataset(draw, steps)


def figures_of(encoder, write, images, digits):
    """The figures of pictures, whose number is a multiple of `DECODED`."""
    features = annotate(encoder, images)
    parts = [write(each) for each in np.split(features, len(features) // DECODED)]
    words, alignments = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("tokens", "alignments")
    )
    looks = (alignments > 0) & (alignments == alignments.max(axis=-1, keepdims=True))
    looks = looks / np.maximum(looks.sum(axis=-1, keepdims=True), 1)  # of equal ones each a share
    looks, weights = on_right_cell(looks, digits), on_right_cell(alignments, digits)
    return {
        "sequences right": float((words == digit_grids.encode(digits)).all(axis=1).mean()),
        "largest weight on the right cell": float(looks.mean()),
        "most weight on the right cell": float((weights > 0.5).mean()),
        "weight on the right cell": float(weights.mean()),
        "penalty": float(np.mean(penalty(alignments))),
    }


def on_right_cell(alignments, digits):
    """How much of each digit's word's weight lies on the digit's cell: (all words,)."""
    cells = digit_grids.reading_order(digits)
    is_within = np.equal.outer(cell_of(MAP), np.arange(CELLS)).astype("float32")
    of_cells = alignments[:, :CELLS] @ is_within
    return np.take_along_axis(of_cells, cells[..., None], axis=2)[..., 0][cells != EMPTY]


def captioner(encoder, network):
    """The `decode` signature: pictures -> captions, and a map of weights for each word."""

    @tf.function
    def caption(image):
        found = network.greedy(encoder(image))
        words = tf.gather(tf.constant(WORDS), found.tokens)
        captions = tf.strings.strip(tf.strings.reduce_join(words, axis=-1, separator=" "))
        maps = tf.reshape(found.alignments, (-1, STEPS, MAP, MAP))
        return {"caption": captions, "attention": maps}

    return caption


def draw(caption, images, path):
    """Draws what was looked at for each word, a row for each picture."""
    found = caption(tf.constant(images))
    captions = [text.decode().split() or [""] for text in found["caption"].numpy()]
    keras_attention.visualize.overlay(
        list(images[..., 0]),
        [maps[: len(words)] for maps, words in zip(found["attention"], captions, strict=True)],
        titles=captions,
        path=path,
    )
    print(f"Attention drawn in {path}")


if __name__ == "__main__":
    run(main, variant=tuple(VARIANTS), strategy=distribution.STRATEGIES)
