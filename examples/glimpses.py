"""Recognize digits by a few glimpses, whose places the network chooses (Mnih et al. 2014).

    6 squares of 8 x 8 pixels of an image of a seven  ->  7

    python examples/glimpses.py                             # MNIST
    python examples/glimpses.py --task cluttered --glimpses 8 --size 12 --scales 3
    python examples/glimpses.py --deviation 10 ...          # glimpses at random places

The first glimpse is at a random place. Each further place is a sample in training, which is
rewarded if the digit is recognized (REINFORCE), and the mean of its distribution afterwards. The
plot shows the path of the glimpses on test images, and their pixels. The run can be interrupted at
any time: the same command resumes it after the last completed epoch.

Differs from the paper: Adam with a cosine schedule instead of momentum, a hidden layer in the
locator, and no gradient from the locator to the rest of the network. Test errors are reported for
one random first glimpse, and for the mean of the probabilities over five.
"""

import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

if not __package__:  # run as `python examples/glimpses.py`, from any directory
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import keras_attention
from examples import distribution
from examples.command_line import run
from examples.datasets import cluttered_digits
from examples.report import Report
from examples.training import as_dataset, check_folders, sum_minutes, train, write

TASKS = tuple(cluttered_digits.SIDES)
VALIDATION = 5000  # number of training images that are held out while settings are chosen
FIRST_GLIMPSES = 5  # in the mean over several first glimpses
IMAGES_PER_CALL = 1000  # in predictions
DRAWN = 6


def main(
    task="mnist",
    glimpses=6,
    size=8,
    scales=1,
    deviation=0.05,
    epochs=160,
    rate=1e-3,
    units=256,
    batch=128,
    final=False,
    seed=0,
    strategy="none",
    quick=False,
    runs="runs",
    pictures="docs/pictures",
    saved_models="saved_models",
):
    """Train or resume, evaluate, plot and export; return the metrics.

    Args:
        task: Digits alone, translated in a larger image, or also among clutter.
        glimpses: Number of glimpses.
        size: Side of a glimpse in pixels.
        scales: Number of scales; each is twice as wide as the one before.
        deviation: Standard deviation of the places in training, in units of half an image.
        rate: Maximum learning rate.
        units: Width of the state.
        batch: Number of images in a batch.
        final: Train on the validation images too, as for a published number.

    The other arguments are described in `examples.command_line`.
    """
    if quick:
        glimpses, units, epochs, batch = 2, 16, 2, 32
    devices = distribution.strategy(strategy)
    name = f"glimpses_{task}" + ("_quick" if quick else "")
    directory = Path(runs) / f"{name}-{glimpses}x{size}x{scales}-seed{seed}"
    report = Report(directory, seed)
    digits, labels = cluttered_digits.load("train", "[:200]" if quick else "")
    held_out = 100 if quick else VALIDATION
    validation = digits[-held_out:], labels[-held_out:]
    if not final:
        digits, labels = digits[:-held_out], labels[:-held_out]
    steps = len(digits) // batch
    keras.utils.set_random_seed(seed)
    side = cluttered_digits.SIDES[task]
    with devices.scope():
        model, with_locations = make_models(side, glimpses, size, scales, units, deviation)
        schedule = keras.optimizers.schedules.CosineDecay(rate, epochs * steps)
        model.compile(
            keras.optimizers.Adam(schedule),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            jit_compile=True,
        )
    check_folders(model, runs=directory, pictures=pictures, saved_models=saved_models)
    print(f"{name}: {len(digits):,} images, {model.count_params():,} weights")

    def batches(epoch):
        def generate():
            rng = np.random.default_rng([seed, epoch])
            order = rng.permutation(len(digits))
            for n in range(steps):
                chosen = order[n * batch : (n + 1) * batch]
                images = cluttered_digits.place(digits[chosen], digits, task, rng)
                first = rng.uniform(-1, 1, size=(batch, 2)).astype("float32")
                yield {"image": images, "first": first}, labels[chosen]

        def set_shape(inputs, label):  # `as_dataset` leaves the height unknown
            image = tf.ensure_shape(inputs["image"], (None, side, side, 1))
            return {"image": image, "first": tf.ensure_shape(inputs["first"], (None, 2))}, label

        return as_dataset(generate, steps).map(set_shape)

    def measure(part, parts, firsts=1):
        images = cluttered_digits.place(parts[0], digits, task, np.random.default_rng(seed + 1))
        return measure_errors(model, part, images, parts[1], firsts)

    settings = {"task": task, "glimpses": glimpses, "size": size, "scales": scales}
    settings |= {"deviation": deviation, "epochs": epochs, "rate": rate, "units": units}
    settings |= {"batch": batch, "final": final, "seed": seed}
    curve = train(
        model, batches, epochs, directory, settings, lambda epoch: measure("validation", validation)
    )
    test = cluttered_digits.load("test", "[:100]" if quick else "")
    figures = {
        **settings,
        "images": len(digits),
        "weights": model.count_params(),
        **sum_minutes(curve),
        "learning curve": curve,
        **measure("validation", validation),
        **measure("test", test, FIRST_GLIMPSES),
    }
    images = cluttered_digits.place(test[0][:DRAWN], digits, task, np.random.default_rng(seed + 1))
    draw(with_locations, images, size, scales, Path(pictures) / f"{name}.png")
    version = export(with_locations, images, Path(saved_models) / name)
    report.write(figures, version)
    return figures


def make_models(side, glimpses, size, scales, units, deviation):
    """Return the model that is trained, and one with the same layers that returns locations.

    Both take a dict of "image" (batch, side, side, 1) uint8 and "first" (batch, 2), the place of
    the first glimpse. The first returns logits (batch, 10).
    """
    inputs = {
        "image": keras.Input((side, side, 1), dtype="uint8", name="image"),
        "first": keras.Input((2,), name="first"),
    }
    look = keras_attention.RecurrentGlimpses(
        glimpses, size, scales, units, deviation=deviation, seed=0
    )
    state, centers = look(inputs["image"], inputs["first"], return_locations=True)
    classify = keras.layers.Dense(10)
    logits = classify(state)
    model = keras_attention.ReinforceModel(inputs, logits, reward="accuracy")
    outputs = {"probabilities": keras.ops.softmax(logits), "centers": centers}
    return model, keras.Model(inputs, outputs)


def measure_errors(model, part, images, labels, firsts):
    """Return the share of wrong digits, for one first glimpse and for the mean over several."""
    rng, probabilities = np.random.default_rng(0), []
    for _ in range(firsts):
        first = rng.uniform(-1, 1, size=(len(images), 2)).astype("float32")
        inputs = {"image": images, "first": first}
        logits = model.predict(inputs, batch_size=IMAGES_PER_CALL, verbose=0)
        probabilities.append(keras.ops.convert_to_numpy(keras.ops.softmax(logits)))

    def compute_error(predicted):
        return round(float(np.mean(predicted.argmax(-1) != labels)), 4)

    errors = {f"{part} error": float(np.mean([compute_error(x) for x in probabilities]))}
    if firsts > 1:
        mean = compute_error(np.mean(probabilities, axis=0))
        errors[f"{part} error, mean over {firsts} first glimpses"] = mean
    return errors


def draw(with_locations, images, size, scales, path):
    """Plot the path of the glimpses, from the center of the image on."""
    first = np.zeros((len(images), 2), "float32")
    outputs = with_locations.predict({"image": images, "first": first}, verbose=0)
    titles = [f"a {digit}?" for digit in outputs["probabilities"].argmax(-1)]
    figure = keras_attention.visualize.glimpses(
        list(images), outputs["centers"], size, scales, titles
    )
    write(path, figure.savefig)


def export(with_locations, images, directory):
    """Export a SavedModel whose first glimpse is at the center of the image."""

    @tf.function
    def classify(image):
        first = tf.zeros((tf.shape(image)[0], 2))
        outputs = with_locations({"image": image, "first": first}, training=False)
        return {"digit": tf.argmax(outputs["probabilities"], axis=-1), **outputs}

    specs = [tf.TensorSpec((None, *images.shape[1:]), tf.uint8, name="image")]
    path = keras_attention.export.saved_model(
        None,
        directory,
        signatures={"serving_default": (classify, specs), "classify": (classify, specs)},
        example=[{"image": images[:1]}, {"image": images[:3]}],
    )
    print(keras_attention.export.how_to_serve(path))
    return path


if __name__ == "__main__":
    run(main, task=TASKS, strategy=distribution.STRATEGIES)
