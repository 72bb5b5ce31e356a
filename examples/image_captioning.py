"""Show, Attend and Tell (Xu et al. 2015): captions of images, and the location of each word.

       | 7 |               ->  "seven zero one", with a map of attention weights for each word
     0 |   | 1

    python examples/image_captioning.py                  # soft attention
    python examples/image_captioning.py --variant hard   # hard attention, by REINFORCE

An image is a 3 x 3 grid of MNIST digits with some cells empty. Its caption is the digits as words,
in reading order. As in the paper, a convolutional network, which is trained beforehand and then
fixed, maps an image to annotation vectors, here 7 x 7. An LSTM attends to them before each word.
Each of the other variants omits one part of the method. The run can be interrupted at any time: the
same command resumes it after the last completed epoch.

The paper's results are for photographs (BLEU-4 on Flickr8k: soft 19.5, hard 21.3). Here, with seed
0 on 10,000 test grids, 97.1 % of the captions are right with soft attention and 96.7 % with hard
attention. The largest weight is on the cell of the digit for 97.2 and 99.8 % of the digits. The
fixed network misclassifies 0.48 % of single digits. docs/results.md has the other variants.
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
from examples.captioner import Captioner, compute_caption_cost, compute_penalty
from examples.command_line import run
from examples.datasets import digit_grids
from examples.datasets.digit_grids import CELLS, EMPTY, STEPS, WORDS
from examples.digit_encoder import (
    BATCH,
    FEATURES,
    MAP,
    PIXELS,
    distort,
    locate_cells,
    measure_error_rate,
    train_encoder,
)
from examples.report import Report
from examples.training import as_dataset, check_folders, sum_minutes, train

VARIANTS = {
    "soft": {},
    "soft-no-penalty": {"penalty_weight": 0.0},
    "hard": {"hard": True},
    "hard-no-baseline": {"hard": True, "has_baseline": False},
    "hard-no-entropy": {"hard": True, "entropy_weight": 0.0},
    "hard-no-mixing": {"hard": True, "expectation_rate": 0.0},
}
IMAGES_PER_CALL = 500  # of encoder and decoder, outside of training


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
    """Train or resume, evaluate, plot and export; return the metrics of the test.

    Args:
        variant: The attention, and the part of the method that is left out.
        epochs: Number of epochs of 250 steps.
        units: Units of the decoder's LSTM.

    The other arguments are described in `examples.command_line`.
    """
    devices = distribution.strategy(strategy)
    suffix = "_quick" if quick else ""
    name = f"image_captioning_{variant}{suffix}"
    directory = Path(runs) / f"{name}-seed{seed}"
    steps, test_count = (3, 500) if quick else (250, 10_000)
    epochs = 2 if quick else epochs
    report = Report(directory, seed)
    keras.utils.set_random_seed(seed)
    with devices.scope():
        network = Captioner((MAP * MAP, FEATURES), units, seed=seed, **VARIANTS[variant])
        schedule = keras.optimizers.schedules.CosineDecay(2e-3, epochs * steps)
        network.model.compile(
            keras.optimizers.Adam(schedule, clipnorm=1.0), compute_caption_cost, jit_compile=True
        )
    check_folders(network.model, runs=directory, pictures=pictures, saved_models=saved_models)
    digits = {split: digit_grids.load_mnist(split) for split in digit_grids.SPLITS}
    encoder, classifier = train_encoder(
        digits["train"], Path(runs) / f"image_captioning_encoder{suffix}", 2 if quick else 12, steps
    )
    decode = tf.function(network.greedy, jit_compile=True)

    def sample_images(split, count):
        return digit_grids.sample_grids(*digits[split], count, np.random.default_rng(seed))

    images, labels = digits["train"]
    images, cells = digit_grids.sample_grids(
        # Use new distortions of the digits, because the encoder would classify the images that it
        # was trained on better than new ones.
        distort(images, [seed, 1]),
        labels,
        2 * steps * BATCH,
        np.random.default_rng([seed, 1]),
    )
    # Keep the features in half precision, to save memory.
    features, captions = annotate(encoder, images, "float16"), digit_grids.encode(cells)
    curve = train(
        network.model,
        lambda epoch: make_batches(
            features, captions, steps, np.random.default_rng([seed, 2, epoch])
        ),
        epochs,
        directory,
        {
            "variant": variant,
            "epochs": epochs,
            "units": units,
            "seed": seed,
            "steps": steps,
            "encoder": digest_weights(encoder),
        },
        lambda epoch: evaluate(encoder, decode, *sample_images("validation", IMAGES_PER_CALL)),
    )
    test = sample_images("test", test_count)
    figures = evaluate(encoder, decode, *test)
    figures["digits misread by the encoder"] = measure_error_rate(classifier, *test)
    path = None
    if variant in ("soft", "hard"):
        caption = make_signature(encoder, network)
        images, _ = sample_images("test", 4)
        draw(caption, images, Path(pictures) / f"captioning_{variant}{suffix}.png")
        specs = [tf.TensorSpec((None, PIXELS, PIXELS, 1), tf.uint8, name="image")]
        path = keras_attention.export.saved_model(
            None,
            Path(saved_models) / name,
            signatures={signature: (caption, specs) for signature in ("serving_default", "decode")},
            example=[{"image": images[:1]}, {"image": images}],
        )
    report.write({"test": figures, "validation": curve[-1], **sum_minutes(curve)}, path)
    return figures


def digest_weights(encoder):
    """Return a digest of the encoder's weights.

    It is one of the run's settings, because a decoder cannot resume with another encoder.
    """
    weights = b"".join(weight.tobytes() for weight in encoder.get_weights())
    return hashlib.sha256(weights).hexdigest()


def annotate(encoder, images, dtype="float32"):
    """Return the features of images, computed `IMAGES_PER_CALL` at a time."""
    starts = range(0, len(images), IMAGES_PER_CALL)
    parts = [images[start : start + IMAGES_PER_CALL] for start in starts]
    return np.concatenate([encoder.predict_on_batch(part).astype(dtype) for part in parts])


def make_batches(features, captions, steps, rng):
    """Return a data set of `steps` batches: ((features, previous words), words)."""
    order = rng.permutation(len(captions))

    def generate():
        for rows in order[: steps * BATCH].reshape(steps, BATCH):
            previous = digit_grids.shift_right(captions[rows])
            yield (features[rows].astype("float32"), previous), captions[rows]

    return as_dataset(generate, steps)


def evaluate(encoder, decode, images, digits):
    """Return metrics of the captions of images, whose number is a multiple of `IMAGES_PER_CALL`."""
    features = annotate(encoder, images)
    parts = [decode(part) for part in np.split(features, len(features) // IMAGES_PER_CALL)]
    words, alignments = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("tokens", "alignments")
    )
    is_largest = (alignments > 0) & (alignments == alignments.max(axis=-1, keepdims=True))
    # If several locations have the largest weight, each counts as a fraction.
    fractions = is_largest / np.maximum(is_largest.sum(axis=-1, keepdims=True), 1)
    largest, weights = (sum_on_right_cell(x, digits) for x in (fractions, alignments))
    return {
        "sequences right": float((words == digit_grids.encode(digits)).all(axis=1).mean()),
        "largest weight on the right cell": float(largest.mean()),
        "most weight on the right cell": float((weights > 0.5).mean()),
        "weight on the right cell": float(weights.mean()),
        "penalty": float(np.mean(compute_penalty(alignments))),
    }


def sum_on_right_cell(alignments, digits):
    """Return the sum of each word's weights on the cell of its digit, for all words in one axis."""
    cells = digit_grids.locate_words(digits)
    is_within = np.equal.outer(locate_cells(MAP), np.arange(CELLS)).astype("float32")
    cell_weights = alignments[:, :CELLS] @ is_within
    return np.take_along_axis(cell_weights, cells[..., None], axis=2)[..., 0][cells != EMPTY]


def make_signature(encoder, network):
    """Return the `decode` signature: images -> captions, and a map of weights for each word."""

    @tf.function
    def caption(image):
        decoded = network.greedy(encoder(image))
        words = tf.gather(tf.constant(WORDS), decoded.tokens)
        captions = tf.strings.strip(tf.strings.reduce_join(words, axis=-1, separator=" "))
        maps = tf.reshape(decoded.alignments, (-1, STEPS, MAP, MAP))
        return {"caption": captions, "attention": maps}

    return caption


def draw(caption, images, path):
    """Plot the attention of each word, in one row per image."""
    outputs = caption(tf.constant(images))
    captions = [text.decode().split() or [""] for text in outputs["caption"].numpy()]
    keras_attention.visualize.overlay(
        list(images[..., 0]),
        [maps[: len(words)] for maps, words in zip(outputs["attention"], captions, strict=True)],
        titles=captions,
        path=path,
    )
    print(f"Attention plotted in {path}")


if __name__ == "__main__":
    run(main, variant=tuple(VARIANTS), strategy=distribution.STRATEGIES)
