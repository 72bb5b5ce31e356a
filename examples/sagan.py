"""Self-attention in a class-conditional GAN of 32 x 32 pixels (SAGAN, Zhang et al. 2019).

    noise and the class 7  ->  an image of a seven

    python examples/sagan.py                        # MNIST, with attention
    python examples/sagan.py --attention none       # the same, without attention
    python examples/sagan.py --data cifar10 --width 64 --noise 128 --steps 100000  # for a GPU

Run commands with the same data one after the other, because they share the checkpoint of the
classifier that evaluates the images.

Residual generator and discriminator with attention at 16 x 16 in both, hinge loss, spectral
normalization in both, conditional batch normalization and projection discriminator, learning rates
1e-4 and 4e-4. The run can be interrupted at any time: the same command resumes it after the last
completed epoch.

The paper's Fréchet inception distance is for ImageNet at 128 x 128 (18.65, against 27.62 of the
best earlier model). It needs a network that is not available here, so this example uses the
distance of `examples.frechet`. The first two commands reach a distance of 28.6 and 35.5, seed 0, in
17 minutes of processor time each; with `--data cifar10` 11.0 and 12.5; with `--steps 2000` on a GPU
7.9 and 10.9, in six minutes. The third command was run for 2,500 steps only. These are single runs:
docs/results.md explains why they do not show that attention helps.
"""

import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from matplotlib import image as picture

if not __package__:  # run as `python examples/sagan.py`, from any directory
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import keras_attention
from examples import distribution, frechet
from examples.command_line import run
from examples.datasets import images as data_sets
from examples.datasets.images import CLASSES
from examples.gan import GAN
from examples.report import Report
from examples.training import as_dataset, check_folders, sum_minutes, train, write

ATTENTIONS = ("16x16", "none")
INITIAL_SIDE = 4  # side of the generator's first map in pixels
DOUBLINGS = 3  # number of times that the generator doubles this side
STEPS_PER_EPOCH = 250
CLASSIFIER_EPOCHS = {"mnist": 2, "cifar10": 12}  # of the classifier that evaluates the images
DRAWN_QUERIES = ((4, 4), (4, 8), (8, 8), (11, 8))  # row and column in the 16 x 16 map


def main(
    data="mnist",
    attention="16x16",
    steps=1500,
    width=16,
    noise=64,
    batch=64,
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
        attention: The side of the maps with attention in both networks, or none.
        steps: Number of training steps.
        width: Channels of the largest maps of both networks.
        noise: Width of the noise vector.
        batch: Number of images in a batch.

    The other arguments are described in `examples.command_line`.
    """
    if quick:
        steps, width, noise = 2, 4, 5
    if min(steps, width, noise, batch) < 1:
        raise ValueError(
            "Expected positive `steps`, `width`, `noise` and `batch`. "
            f"Received: steps={steps}, width={width}, noise={noise}, batch={batch}"
        )
    devices = distribution.strategy(strategy)
    steps_per_epoch = 1 if quick else STEPS_PER_EPOCH
    epochs = -(-steps // steps_per_epoch)
    subset, suffix = ("[:200]", "_quick") if quick else ("", "")
    name = f"sagan_{data}" + ("" if attention != "none" else "_none") + suffix
    directory = Path(runs) / f"{name}-seed{seed}"
    report = Report(directory, seed)
    images, classes = data_sets.load(data, f"train{subset}")
    test_images, _ = data_sets.load(data, f"test{subset}")
    keras.utils.set_random_seed(seed)
    with devices.scope():
        gan = make_gan(width, noise, images.shape[1:], attention, seed)
    generator, variables = gan.generator, gan.discriminator_optimizer.variables
    check_folders(gan, variables, runs=directory, pictures=pictures, saved_models=saved_models)
    classifier = frechet.train_classifier(
        images, classes, Path(runs) / f"sagan_judge_{data}{suffix}", CLASSIFIER_EPOCHS[data]
    )
    test_features, _ = classifier.predict(test_images, batch_size=frechet.BATCH, verbose=0)

    def batches(epoch):
        size = min(steps_per_epoch, steps - steps_per_epoch * epoch), batch
        chosen = np.random.default_rng([seed, epoch]).integers(len(images), size=size)
        return as_dataset(lambda: ((images[rows], classes[rows]) for rows in chosen), len(chosen))

    def evaluate(epoch):
        return {**measure_quality(gan, classifier, test_features, 1000), **get_gammas(gan)}

    settings = {"steps": steps, "width": width, "noise": noise, "batch": batch, "seed": seed}
    curve = train(
        gan,
        batches,
        epochs,
        directory,
        {**settings, "data": data, "attention": attention},
        evaluate,
        variables,
    )
    path = Path(pictures) / f"{name}.png"
    draw_samples(gan, path)
    if attention != "none":
        draw_attention(generator, path.with_stem(f"{name}_attention"))
    version = export(generator, Path(saved_models) / name)
    figures = {
        **measure_quality(gan, classifier, test_features, 200 if quick else 10_000),
        **get_gammas(gan),
        "weights": generator.count_params() + gan.discriminator.count_params(),
        **settings,
        **sum_minutes(curve),
        "curve": [round(epoch["Fréchet distance"], 3) for epoch in curve],
        "curves of gamma": {
            name: [round(epoch[name], 3) for epoch in curve] for name in get_gammas(gan)
        },
    }
    report.write(figures, version)
    return figures


def make_gan(width, noise, shape, attention, seed):
    """Return a GAN for images of the given shape, compiled with a learning rate per network."""
    generator = make_generator(width, noise, shape[-1], attention)
    gan = GAN(generator, make_discriminator(width, shape, attention), seed)
    gan.compile(
        keras.optimizers.Adam(1e-4, beta_1=0.0, beta_2=0.9),
        keras.optimizers.Adam(4e-4, beta_1=0.0, beta_2=0.9),
        jit_compile=True,
    )
    return gan


def make_generator(width, noise, channels, attention):
    """Return a model: [noise, classes (batch,)] -> images (batch, 32, 32, channels) in [-1, 1].

    Its layer "attention", if it has one, also returns the attention weights.
    """
    z, label = keras.Input((noise,), name="noise"), keras.Input((), dtype="int32", name="class")
    maps = width * 2**DOUBLINGS
    x = spectrally_normalize(layers.Dense(INITIAL_SIDE * INITIAL_SIDE * maps))(z)
    x = layers.Reshape((INITIAL_SIDE, INITIAL_SIDE, maps))(x)
    for _ in range(DOUBLINGS):
        if attention != "none" and x.shape[1] == 16:
            x, _ = make_attention("attention")(x, return_attention_scores=True)
        maps //= 2
        y = layers.UpSampling2D()(layers.ReLU()(conditionally_normalize(x, label)))
        y = spectrally_normalize(layers.Conv2D(maps, 3, padding="same"))(y)
        y = layers.ReLU()(conditionally_normalize(y, label))
        y = spectrally_normalize(layers.Conv2D(maps, 3, padding="same"))(y)
        x = y + spectrally_normalize(layers.Conv2D(maps, 1))(layers.UpSampling2D()(x))
    x = layers.ReLU()(make_batch_normalization()(x))
    x = spectrally_normalize(layers.Conv2D(channels, 3, padding="same"))(x)
    return keras.Model([z, label], layers.Activation("tanh", dtype="float32")(x))


def make_discriminator(width, shape, attention):
    """Return a model: [images (batch, *shape), classes (batch,)] -> logits of real images."""
    image, label = keras.Input(shape, name="image"), keras.Input((), dtype="int32", name="class")
    x = image
    for block in range(DOUBLINGS + 1):
        maps, is_last = width * 2**block, block == DOUBLINGS
        y = x if block == 0 else layers.ReLU()(x)
        y = spectrally_normalize(layers.Conv2D(maps, 3, padding="same"))(y)
        y = spectrally_normalize(layers.Conv2D(maps, 3, padding="same"))(layers.ReLU()(y))
        x = spectrally_normalize(layers.Conv2D(maps, 1))(x) + y
        x = x if is_last else layers.AveragePooling2D(2)(x)
        if attention != "none" and x.shape[1] == 16:
            x = make_attention("attention")(x)
    x = ops.sum(layers.ReLU()(x), axis=(1, 2))
    # Use a Dense layer on one-hot classes, because Keras's wrapper for spectral normalization would
    # cast the weights of an Embedding layer to the integer dtype of its inputs.
    projection = spectrally_normalize(layers.Dense(maps, use_bias=False))(
        ops.one_hot(label, CLASSES)
    )
    score = spectrally_normalize(layers.Dense(1))(x) + ops.sum(
        projection * x, axis=-1, keepdims=True
    )
    return keras.Model([image, label], score)


def spectrally_normalize(layer):
    """Wrap a layer in spectral normalization."""
    return layers.SpectralNormalization(layer)


def make_attention(name):
    """Return the paper's attention layer in the form of the authors' released code."""
    return keras_attention.SelfAttention2D(pool_keys=True, spectral_normalization=True, name=name)


def conditionally_normalize(x, label):
    """Apply batch normalization with a scale and a shift per class."""
    maps = x.shape[-1]
    scale, shift = (
        layers.Reshape((1, 1, maps))(layers.Embedding(CLASSES, maps, start)(label))
        for start in ("ones", "zeros")
    )
    return make_batch_normalization(center=False, scale=False)(x) * scale + shift


def make_batch_normalization(**options):
    """Return batch normalization over the whole batch, even if several replicas share it."""
    is_shared = tf.distribute.get_strategy().num_replicas_in_sync > 1
    return layers.BatchNormalization(synchronized=is_shared, **options)


def get_gammas(gan):
    """Return the learned weight gamma of each attention layer."""
    values = {}
    for name, network in (("generator", gan.generator), ("discriminator", gan.discriminator)):
        for layer in network.layers:
            if isinstance(layer, keras_attention.SelfAttention2D):
                values[f"gamma of the {name}"] = float(ops.convert_to_numpy(layer.gamma))
    return values


def measure_quality(gan, classifier, test_features, count):
    """Measure generated images: Fréchet distance, and the share that is of the requested class."""
    noise = sample_noise(gan.generator, np.random.default_rng(0), count)
    classes = np.arange(count, dtype="int32") % CLASSES
    images = gan.predict_images(noise, classes, frechet.BATCH)
    features, logits = classifier.predict(images, batch_size=frechet.BATCH, verbose=0)
    return {
        "Fréchet distance": frechet.compute_distance(features, test_features),
        "of the requested class": float((logits.argmax(-1) == classes).mean()),
    }


def sample_noise(generator, rng, count):
    """Return the noise of `count` images."""
    return rng.normal(size=(count, generator.inputs[0].shape[-1])).astype("float32")


def draw_samples(gan, path, rows=8):
    """Write a grid of samples: a column for each class, a row for each noise vector."""
    noise = sample_noise(gan.generator, np.random.default_rng(1), rows)
    classes = np.tile(np.arange(CLASSES, dtype="int32"), rows)
    images = gan.predict_images(np.repeat(noise, CLASSES, axis=0), classes, frechet.BATCH)
    side, channels = images.shape[1], images.shape[-1]
    grid = images.reshape(rows, CLASSES, side, side, channels).swapaxes(1, 2)
    grid = np.clip(grid.reshape(rows * side, CLASSES * side, channels) / 2 + 0.5, 0, 1)
    large = np.repeat(np.repeat(grid, 2, 0), 2, 1).repeat(3 // channels, -1)
    write(path, lambda file: picture.imsave(file, large))


def draw_attention(generator, path, classes=(3, 5, 8)):
    """Plot the attention of chosen pixels of generated images, as in the paper's figure 5."""
    weights = generator.get_layer("attention").output[1]
    with_weights = keras.Model(generator.inputs, [*generator.outputs, weights])
    noise = sample_noise(generator, np.random.default_rng(2), len(classes))
    outputs = with_weights([noise, np.array(classes, "int32")], training=False)
    images, weights = map(ops.convert_to_numpy, outputs)
    figure = keras_attention.visualize.overlay(
        list(np.clip(images / 2 + 0.5, 0, 1)), list(weights), queries=DRAWN_QUERIES
    )
    write(path, figure.savefig)


def export(generator, directory):
    """Export a SavedModel: noise and classes -> images (batch, 32, 32, channels) from 0 to 1."""

    @tf.function
    def generate(noise, label):
        images = generator([noise, label], training=False)
        return {"image": images / 2 + 0.5}

    noise, label = generator.inputs
    specs = [
        tf.TensorSpec(noise.shape, tf.float32, name="noise"),
        tf.TensorSpec((None,), tf.int32, name="label"),
    ]
    rng = np.random.default_rng(3)
    return keras_attention.export.saved_model(
        None,
        directory,
        signatures={"serving_default": (generate, specs)},
        example=[
            {
                "noise": rng.normal(size=(count, noise.shape[-1])).astype("float32"),
                "label": np.arange(count, dtype="int32") % CLASSES,
            }
            for count in (1, 10)
        ],
    )


if __name__ == "__main__":
    run(main, data=data_sets.NAMES, attention=ATTENTIONS, strategy=distribution.STRATEGIES)
