"""MNIST and CIFAR-10 from TensorFlow Datasets, as images of 32 x 32 pixels with classes."""

import numpy as np
import tensorflow_datasets as tfds

NAMES = ("mnist", "cifar10")
CLASSES, SIDE = 10, 32


def load(name, split, data_dir=None):
    """Load images (n, 32, 32, channels) float32 in [-1, 1] and labels (n,).

    MNIST images are padded to 32 x 32 pixels. `split` is `"train"` or `"test"`, or a slice in the
    syntax of TFDS, such as `"train[:100]"`.
    """
    if name not in NAMES:
        raise ValueError(f"Expected `name` to be one of {NAMES}. Received: name={name!r}")
    data = tfds.as_numpy(tfds.load(name, split=split, batch_size=-1, data_dir=data_dir))
    images = data["image"]
    border = (SIDE - images.shape[1]) // 2
    images = np.pad(images, [(0, 0), (border, border), (border, border), (0, 0)])
    return images.astype("float32") / 127.5 - 1, data["label"].astype("int32")
