"""Networks of keras.applications, with random weights and small images."""

import functools

import keras

from tests.export.models.tries import Case, Tries

tries = Tries("keras.applications")
OPTIONS = {  # by the name of the network
    "MobileNet": {"alpha": 0.25},
    "MobileNetV2": {"alpha": 0.35},
    "MobileNetV3Small": {"minimalistic": True},
    "EfficientNetB0": {},
    "ResNet50": {},
    "DenseNet121": {},
}


def make(name):
    """The case of a network."""
    image = keras.Input((32, 32, 3), name="image")
    network = getattr(keras.applications, name)
    model = network(input_tensor=image, weights=None, classes=5, **OPTIONS[name])
    return Case(model, tolerance=1e-4)


for one in OPTIONS:
    tries.add(one, functools.partial(make, one), one == "MobileNet")
