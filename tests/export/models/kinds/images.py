"""Images and sound, and sizes for which an example cannot be guessed at once."""

import keras
import numpy as np

from tests.export.models.tries import Case, Tries

layers = keras.layers
tries = Tries("images, sound and unusual sizes")


def convolve(function, *shape, **kwargs):
    x = keras.Input(shape, name="x", **kwargs)
    return keras.Model(x, function(x))


@tries.right()
def augmentation_of_uint8_images():
    def prepare(x):
        x = layers.RandomRotation(0.1)(layers.RandomFlip()(layers.Resizing(9, 9)(x)))
        return layers.Rescaling(1 / 255)(layers.CenterCrop(5, 5)(x))

    model = convolve(prepare, None, None, 3, dtype="uint8")
    # In a graph, and so in `predict`, Keras resizes integers to floats; eagerly it rounds them.
    return Case(model, expected={"serving_default": lambda x: model.predict(x, verbose=0)})


@tries.refused("differs from the model", "layers ['resize']", "float32", quick=True)
def resizing_of_integers_that_differ():
    model = convolve(layers.Resizing(9, 9, name="resize"), None, None, 3, dtype="uint8")
    example = {"x": np.arange(27, dtype="uint8").reshape(1, 3, 3, 3)}
    return Case(model, example=example)


@tries.right()
def resizing_of_floats():
    return Case(convolve(layers.Resizing(9, 9), None, None, 3))


@tries.right(quick=True)
def mel_spectrogram():
    layer = layers.MelSpectrogram(num_mel_bins=8, fft_length=64, sequence_stride=32)
    signal = np.sin(np.arange(400, dtype="float32"))[None]
    case = Case(convolve(layer, None), requests=[("serving_default", {"x": signal})])
    case.tolerance = 1e-3
    return case


@tries.right(quick=True)
def a_fully_convolutional_network():
    def shrink(x):
        for _ in range(4):
            x = layers.MaxPooling2D()(layers.Conv2D(2, 3)(x))
        return layers.GlobalAveragePooling2D()(x)

    image = np.random.default_rng(0).random((2, 70, 81, 3), "float32")
    return Case(convolve(shrink, None, None, 3), requests=[("serving_default", {"x": image})])


@tries.right()
def a_kernel_longer_than_the_first_example():
    x = np.random.default_rng(0).random((2, 13, 4), "float32")
    requests = [("serving_default", {"x": x})]
    return Case(convolve(layers.Conv1D(3, 9), None, 4), requests=requests)


@tries.refused("`example` with ['x']", "'serving_default'", "(1, 4, 4)", "negative", quick=True)
def a_kernel_longer_than_all_examples():
    return Case(convolve(layers.Conv1D(3, 999), None, 4))


@tries.right()
def an_embedding_of_one_row():
    model = convolve(layers.Embedding(1, 4), None, dtype="int32")
    return Case(model, requests=[("serving_default", {"x": np.zeros((2, 5), "int32")})])


@tries.right()
def a_table_of_five_positions():
    def embed(ids):
        positions = keras.ops.cumsum(keras.ops.ones_like(ids), axis=1) - 1
        return layers.Embedding(5, 4)(ids) + layers.Embedding(5, 4)(positions)

    requests = [("serving_default", {"x": np.int32([[4, 0, 3, 3, 1]])})]
    return Case(convolve(embed, None, dtype="int32"), requests=requests)


@tries.right()
def an_image_of_a_million_pixels():
    return Case(convolve(layers.Conv2D(2, 3, strides=16), 1024, 1024, 3))


@tries.right()
def upsampling_and_transposed_convolution():
    def grow(x):
        return layers.UpSampling2D()(layers.Conv2DTranspose(2, 3, strides=2, padding="same")(x))

    return Case(convolve(grow, None, None, 3))


@tries.refused("`example` to be valid", "'serving_default'", "(1, 5, 4)", "negative")
def an_example_that_the_model_rejects():
    example = {"x": np.ones((1, 5, 4))}
    return Case(convolve(layers.Conv1D(3, 9), None, 4), example=example)
