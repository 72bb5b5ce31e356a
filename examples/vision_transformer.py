"""Classify images by a Vision Transformer (Dosovitskiy et al. 2020), and draw its attention.

    an image of a seven  ->  7, and the share of each patch in the class token

    python examples/vision_transformer.py                   # MNIST
    python examples/vision_transformer.py --data cifar10
    python examples/vision_transformer.py --data cifar10 --model convolution  # for comparison

An image is cut into patches of 4 x 4 pixels, which are projected to vectors, with a learned class
token before them and learned positions added. Pre-norm Transformer blocks follow; a linear
classifier reads the normalized output at the class token. The plot shows, on test images, the class
token's attention in the last block and the attention rollout of all blocks. The run can be
interrupted at any time: the same command resumes it after the last completed epoch.

Differs from the paper, which trains on 14 to 300 million images of 224 x 224 pixels: a small
network, trained on the images of one data set with shifts (and mirror images of CIFAR-10), and no
pre-training. The paper explains that on little data convolutional networks are better; the last
command trains one with as many weights.
"""

import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

if not __package__:  # run as `python examples/vision_transformer.py`, from any directory
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import keras_attention
from examples import distribution
from examples.command_line import run
from examples.datasets import images as data_sets
from examples.datasets.images import LABELS, augment
from examples.image_classifiers import make_convolutional, make_transformer
from examples.report import Report
from examples.training import as_dataset, check_folders, sum_minutes, train, write

MODELS = ("transformer", "convolution")
VALIDATION = {"mnist": 5000, "cifar10": 1000}  # number of training images that are held out
AUGMENTATION = {"mnist": {"shift": 2}, "cifar10": {"shift": 4, "flip": True}}
STEPS_PER_EPOCH = 250
IMAGES_PER_CALL = 500  # in predictions
DRAWN_CLASSES = {"mnist": (2, 3, 5, 7, 8), "cifar10": (0, 1, 5, 7, 8)}


def main(
    data="mnist",
    model="transformer",
    steps=2500,
    rate=1e-3,
    width=64,
    blocks=4,
    heads=4,
    patch=4,
    dropout=0.0,
    batch=128,
    seed=0,
    strategy="none",
    quick=False,
    runs="runs",
    pictures="docs/pictures",
    saved_models="saved_models",
):
    """Train or resume, evaluate, plot and export; return the metrics.

    Args:
        data: The data set.
        model: The Vision Transformer, or a convolutional network with as many weights.
        steps: Number of training steps.
        rate: Maximum learning rate, after a warm-up over a tenth of the steps.
        width: Width of the Transformer's vectors.
        blocks: Number of Transformer blocks.
        heads: Number of heads.
        patch: Side of a patch in pixels.
        dropout: Fraction of each sublayer's output to drop in training.
        batch: Number of images in a batch.

    The other arguments are described in `examples.command_line`.
    """
    if quick:
        steps, width, blocks, heads, batch = 2, 8, 1, 2, 32
    devices = distribution.strategy(strategy)
    steps_per_epoch = 1 if quick else STEPS_PER_EPOCH
    is_transformer = model == "transformer"
    name = f"vision_{model}_{data}" + ("_quick" if quick else "")
    directory = Path(runs) / f"{name}-seed{seed}"
    report = Report(directory, seed)
    parts = load_parts(data, quick)
    images, labels = parts["train"]
    shape = images.shape[1:]
    keras.utils.set_random_seed(seed)
    with devices.scope():
        if is_transformer:
            network, with_maps = make_transformer(shape, patch, width, blocks, heads, dropout)
        else:
            network, with_maps = make_convolutional(shape), None
        network.compile(
            keras.optimizers.AdamW(
                keras.optimizers.schedules.CosineDecay(
                    0.0, steps - steps // 10, warmup_target=rate, warmup_steps=steps // 10
                ),
                weight_decay=0.05,
                clipnorm=1.0,
            ),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            # On a CPU TensorFlow's convolutions are faster than XLA's.
            jit_compile=is_transformer,
        )
    check_folders(network, runs=directory, pictures=pictures, saved_models=saved_models)
    print(f"{name}: {len(images):,} images, {network.count_params():,} weights")

    def batches(epoch):
        size = min(steps_per_epoch, steps - steps_per_epoch * epoch)

        def generate():
            rng = np.random.default_rng([seed, epoch])
            for _ in range(size):
                chosen = rng.integers(len(images), size=batch)
                yield augment(images[chosen], rng, **AUGMENTATION[data]), labels[chosen]

        def set_shape(image, label):  # `as_dataset` leaves the height unknown
            return tf.ensure_shape(image, (None, *shape)), label

        return as_dataset(generate, size).map(set_shape)

    settings = {"data": data, "model": model, "steps": steps, "rate": rate, "batch": batch}
    settings |= {"seed": seed}
    if is_transformer:
        settings |= {"width": width, "blocks": blocks, "heads": heads, "patch": patch}
        settings |= {"dropout": dropout}
    curve = train(
        network,
        batches,
        -(-steps // steps_per_epoch),
        directory,
        settings,
        lambda epoch: measure_quality(network, "validation", parts),
    )
    figures = {
        **settings,
        "images": {part: len(labels) for part, (_, labels) in parts.items()},
        "weights": network.count_params(),
        **sum_minutes(curve),
        "learning curve": curve,
        "validation accuracy": curve[-1]["validation accuracy"],
        **measure_quality(network, "test", parts),
    }
    if with_maps is not None:
        draw(with_maps, parts["test"], data, Path(pictures) / f"{name}.png")
    version = export(network, with_maps, parts["test"][0], Path(saved_models) / name)
    report.write(figures, version)
    return figures


def load_parts(data, quick):
    """Load the images and labels of the training, validation and test parts, in a dict."""
    images, labels = data_sets.load_pixels(data, "train[:200]" if quick else "train")
    first = len(images) - (100 if quick else VALIDATION[data])
    return {
        "train": (images[:first], labels[:first]),
        "validation": (images[first:], labels[first:]),
        "test": data_sets.load_pixels(data, "test[:100]" if quick else "test"),
    }


def measure_quality(network, part, parts):
    """Return the accuracy, and the mean cross entropy of an image."""
    images, labels = parts[part]
    logits = network.predict(images, batch_size=IMAGES_PER_CALL, verbose=0)
    losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    return {
        f"{part} accuracy": round(float(np.mean(logits.argmax(-1) == labels)), 4),
        f"{part} cross entropy": round(float(np.mean(losses)), 4),
    }


def draw(with_maps, part, data, path):
    """Plot the class token's attention and its rollout, on the first images of some classes."""
    images, labels = part
    chosen = images[[int(np.argmax(labels == label)) for label in DRAWN_CLASSES[data]]]
    outputs = with_maps.predict(chosen, verbose=0)
    names = [LABELS[data][label] for label in outputs["logits"].argmax(-1)]
    figure = keras_attention.visualize.overlay(
        list(chosen),
        [np.stack(maps) for maps in zip(outputs["attention"], outputs["rollout"], strict=True)],
        [["last block", "rollout"]] * len(names),
    )
    for axes, name in zip(figure.axes[::3], names, strict=True):
        axes.set_title(name, fontsize=10)
    write(path, figure.savefig)


def export(network, with_maps, images, directory):
    """Export a SavedModel: `classify`, and `rollout`, which also explains the classification."""

    @tf.function
    def classify(image):
        return {"probabilities": tf.nn.softmax(network(image, training=False))}

    @tf.function
    def explain(image):
        outputs = dict(with_maps(image, training=False))
        return {"probabilities": tf.nn.softmax(outputs.pop("logits")), **outputs}

    specs = [tf.TensorSpec((None, *images.shape[1:]), tf.uint8, name="image")]
    signatures = {"serving_default": (classify, specs), "classify": (classify, specs)}
    if with_maps is not None:
        signatures["rollout"] = (explain, specs)
    path = keras_attention.export.saved_model(
        None,
        directory,
        signatures=signatures,
        example=[{"image": images[:1]}, {"image": images[:3]}],
    )
    print(keras_attention.export.how_to_serve(path))
    return path


if __name__ == "__main__":
    run(main, data=data_sets.NAMES, model=MODELS, strategy=distribution.STRATEGIES)
