"""Self-attention in a GAN (SAGAN, Zhang et al. 2019), conditional on the class, of 32 x 32 pixels.

    python examples/sagan.py                        # MNIST, with attention
    python examples/sagan.py --attention none       # the same without, for as many steps
    python examples/sagan.py --data cifar10 --width 64 --noise 128 --steps 100000  # for a GPU

One after the other: they share the classifier that measures them.

Residual generator and discriminator with attention at 16 x 16 in both, hinge loss, spectral
normalization in both, conditional batch normalization and projection discriminator, learning rates
1e-4 and 4e-4. Interrupt it as you like: the same command goes on after the last whole epoch.

The paper's figures are on ImageNet at 128 x 128 (Fréchet inception distance 18.65 against 27.62 of
the best before), by a network that is not to be had here; `examples.frechet` has the stand-in.
The first two commands give 28.6 and 35.5 by it, seed 0, in 17 minutes of processor time each, and
with `--data cifar10` 11.0 and 12.5; with `--steps 2000` on a GPU 7.9 and 10.9, in six minutes.
The third was run for 2,500 steps. One run each: docs/results.md says why nothing follows.
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
from examples.training import as_dataset, check_folders, minutes_of, train, write

ATTENTIONS = ("16x16", "none")
FIRST, UP = 4, 3  # pixels of the first map, and how often its sides double
EPOCH = 250  # steps
JUDGE_EPOCHS = {"mnist": 2, "cifar10": 12}  # of the classifier that measures
SHOWN = ((4, 4), (4, 8), (8, 8), (11, 8))  # places of the map whose attention is drawn: row, column


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
    """Trains or resumes, measures, draws and exports; returns the figures."""
    if quick:
        steps, width, noise = 2, 4, 5
    if min(steps, width, noise, batch) < 1:
        raise ValueError(
            "Expected positive `steps`, `width`, `noise` and `batch`. "
            f"Received: steps={steps}, width={width}, noise={noise}, batch={batch}"
        )
    devices = distribution.strategy(strategy)
    each = 1 if quick else EPOCH
    epochs = -(-steps // each)
    few, suffix = ("[:200]", "_quick") if quick else ("", "")
    name = f"sagan_{data}" + ("" if attention != "none" else "_none") + suffix
    directory = Path(runs) / f"{name}-seed{seed}"
    report = Report(directory, seed)
    images, classes = data_sets.load(data, f"train{few}")
    test_images, _ = data_sets.load(data, f"test{few}")
    keras.utils.set_random_seed(seed)
    with devices.scope():
        gan = make_gan(width, noise, images.shape[1:], attention, seed)
    generator, more = gan.generator, gan.discriminator_optimizer.variables
    check_folders(gan, more, runs=directory, pictures=pictures, saved_models=saved_models)
    judge = frechet.classifier(
        images, classes, Path(runs) / f"sagan_judge_{data}{suffix}", JUDGE_EPOCHS[data]
    )
    wanted, _ = judge.predict(test_images, batch_size=frechet.BATCH, verbose=0)

    def batches(epoch):
        size = min(each, steps - each * epoch), batch
        chosen = np.random.default_rng([seed, epoch]).integers(len(images), size=size)
        return as_dataset(lambda: ((images[rows], classes[rows]) for rows in chosen), len(chosen))

    def measured(epoch):
        return {**quality(gan, judge, wanted, 1000), **gammas(gan)}

    settings = {"steps": steps, "width": width, "noise": noise, "batch": batch, "seed": seed}
    curve = train(
        gan,
        batches,
        epochs,
        directory,
        {**settings, "data": data, "attention": attention},
        measured,
        more,
    )
    path = Path(pictures) / f"{name}.png"
    draw_samples(gan, path)
    if attention != "none":
        draw_attention(generator, path.with_stem(f"{name}_attention"))
    export = serve(generator, Path(saved_models) / name)
    figures = {
        **quality(gan, judge, wanted, 200 if quick else 10_000),
        **gammas(gan),
        "weights": generator.count_params() + gan.discriminator.count_params(),
        **settings,
        **minutes_of(curve),
        "curve": [round(epoch["Fréchet distance"], 3) for epoch in curve],
        "curves of gamma": {
            name: [round(epoch[name], 3) for epoch in curve] for name in gammas(gan)
        },
    }
    report.write(figures, export)
    return figures


def make_gan(width, noise, shape, attention, seed):
    """Both networks for images of a shape, compiled with a learning rate for each."""
    generator = make_generator(width, noise, shape[-1], attention)
    gan = GAN(generator, make_discriminator(width, shape, attention), seed)
    gan.compile(
        keras.optimizers.Adam(1e-4, beta_1=0.0, beta_2=0.9),
        keras.optimizers.Adam(4e-4, beta_1=0.0, beta_2=0.9),
        jit_compile=True,
    )
    return gan


def make_generator(width, noise, channels, attention):
    """[noise (batch, noise), classes (batch,)] -> images (batch, 32, 32, channels) in [-1, 1].

    Also gives the attention's weights where it has any, as the layer "attention".
    """
    z, label = keras.Input((noise,), name="noise"), keras.Input((), dtype="int32", name="class")
    maps = width * 2**UP
    x = normalized(layers.Dense(FIRST * FIRST * maps))(z)
    x = layers.Reshape((FIRST, FIRST, maps))(x)
    for _ in range(UP):
        if attention != "none" and x.shape[1] == 16:
            x, _ = attending("attention")(x, return_attention_scores=True)
        maps //= 2
        y = layers.UpSampling2D()(layers.ReLU()(conditional_normalization(x, label)))
        y = normalized(layers.Conv2D(maps, 3, padding="same"))(y)
        y = layers.ReLU()(conditional_normalization(y, label))
        y = normalized(layers.Conv2D(maps, 3, padding="same"))(y)
        x = y + normalized(layers.Conv2D(maps, 1))(layers.UpSampling2D()(x))
    x = layers.ReLU()(batch_normalization()(x))
    x = normalized(layers.Conv2D(channels, 3, padding="same"))(x)
    return keras.Model([z, label], layers.Activation("tanh", dtype="float32")(x))


def make_discriminator(width, shape, attention):
    """[images (batch, *shape), classes (batch,)] -> (batch, 1): how real, for its class."""
    image, label = keras.Input(shape, name="image"), keras.Input((), dtype="int32", name="class")
    x = image
    for block in range(UP + 1):
        maps, is_last = width * 2**block, block == UP
        y = x if block == 0 else layers.ReLU()(x)
        y = normalized(layers.Conv2D(maps, 3, padding="same"))(y)
        y = normalized(layers.Conv2D(maps, 3, padding="same"))(layers.ReLU()(y))
        x = normalized(layers.Conv2D(maps, 1))(x) + y
        x = x if is_last else layers.AveragePooling2D(2)(x)
        if attention != "none" and x.shape[1] == 16:
            x = attending("attention")(x)
    x = ops.sum(layers.ReLU()(x), axis=(1, 2))
    # An embedding, as a matrix: Keras's wrapper returns what it wraps in the inputs' dtype.
    projection = normalized(layers.Dense(maps, use_bias=False))(ops.one_hot(label, CLASSES))
    score = normalized(layers.Dense(1))(x) + ops.sum(projection * x, axis=-1, keepdims=True)
    return keras.Model([image, label], score)


def normalized(layer):
    """The layer under spectral normalization."""
    return layers.SpectralNormalization(layer)


def attending(name):
    """The paper's layer as its authors released it."""
    return keras_attention.SelfAttention2D(pool_keys=True, spectral_normalization=True, name=name)


def conditional_normalization(x, label):
    """Batch normalization with a scale and a shift for each class."""
    maps = x.shape[-1]
    scale, shift = (
        layers.Reshape((1, 1, maps))(layers.Embedding(CLASSES, maps, start)(label))
        for start in ("ones", "zeros")
    )
    return batch_normalization(center=False, scale=False)(x) * scale + shift


def batch_normalization(**given):
    """Batch normalization, over the whole batch also where replicas share it."""
    is_shared = tf.distribute.get_strategy().num_replicas_in_sync > 1
    return layers.BatchNormalization(synchronized=is_shared, **given)


def gammas(gan):
    """How much each attention counts by now."""
    found = {}
    for name, network in (("generator", gan.generator), ("discriminator", gan.discriminator)):
        for layer in network.layers:
            if isinstance(layer, keras_attention.SelfAttention2D):
                found[f"gamma of the {name}"] = float(ops.convert_to_numpy(layer.gamma))
    return found


def quality(gan, judge, wanted, count):
    """Fréchet distance of generated images to features `wanted`, and whether classes are right."""
    noise = noise_for(gan.generator, np.random.default_rng(0), count)
    classes = np.arange(count, dtype="int32") % CLASSES
    made = gan.generated(noise, classes, frechet.BATCH)
    features, logits = judge.predict(made, batch_size=frechet.BATCH, verbose=0)
    return {
        "Fréchet distance": frechet.distance(features, wanted),
        "of the class asked for": float((logits.argmax(-1) == classes).mean()),
    }


def noise_for(generator, rng, count):
    """What so many images are generated from."""
    return rng.normal(size=(count, generator.inputs[0].shape[-1])).astype("float32")


def draw_samples(gan, path, rows=8):
    """A picture of samples: a column for each class, a row for each noise."""
    noise = noise_for(gan.generator, np.random.default_rng(1), rows)
    classes = np.tile(np.arange(CLASSES, dtype="int32"), rows)
    made = gan.generated(np.repeat(noise, CLASSES, axis=0), classes, frechet.BATCH)
    side, channels = made.shape[1], made.shape[-1]
    grid = made.reshape(rows, CLASSES, side, side, channels).swapaxes(1, 2)
    grid = np.clip(grid.reshape(rows * side, CLASSES * side, channels) / 2 + 0.5, 0, 1)
    large = np.repeat(np.repeat(grid, 2, 0), 2, 1).repeat(3 // channels, -1)
    write(path, lambda file: picture.imsave(file, large))


def draw_attention(generator, path, classes=(3, 5, 8)):
    """Where chosen pixels of generated images look, as in the paper's figure 5."""
    weights = generator.get_layer("attention").output[1]
    looking = keras.Model(generator.inputs, [*generator.outputs, weights])
    noise = noise_for(generator, np.random.default_rng(2), len(classes))
    outputs = looking([noise, np.array(classes, "int32")], training=False)
    images, weights = map(ops.convert_to_numpy, outputs)
    queries = [16 * row + column for row, column in SHOWN]
    figure = keras_attention.visualize.overlay(
        list(np.clip(images / 2 + 0.5, 0, 1)),
        [each[queries] for each in weights],
        [[f"from {row}, {column}" for row, column in SHOWN]] * len(classes),
    )
    panels = [axes for axes in figure.axes if axes.get_title()]
    for number, axes in enumerate(panels):
        row, column = SHOWN[number % len(SHOWN)]
        axes.plot(2 * column + 1, 2 * row + 1, "o", color="red", markersize=4)
    write(path, figure.savefig)


def serve(generator, directory):
    """A SavedModel: noise and classes -> images (batch, 32, 32, channels) from 0 to 1."""

    @tf.function
    def draw(noise, label):
        made = generator([noise, label], training=False)
        return {"image": made / 2 + 0.5}

    noise, label = generator.inputs
    specs = [
        tf.TensorSpec(noise.shape, tf.float32, name="noise"),
        tf.TensorSpec((None,), tf.int32, name="label"),
    ]
    rng = np.random.default_rng(3)
    return keras_attention.export.saved_model(
        None,
        directory,
        signatures={"serving_default": (draw, specs)},
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
