"""MNIST and CIFAR-10 from TensorFlow Datasets, with augmentation."""

import numpy as np
import tensorflow_datasets as tfds

NAMES = ("mnist", "cifar10")
CLASSES, SIDE = 10, 32
LABELS = {
    "mnist": tuple("0123456789"),
    "cifar10": tuple("airplane automobile bird cat deer dog frog horse ship truck".split()),
}


def load(name, split, data_dir=None):
    """Load images (n, 32, 32, channels) float32 in [-1, 1] and labels (n,).

    MNIST images are padded to 32 x 32 pixels. `split` is `"train"` or `"test"`, or a slice in the
    syntax of TFDS, such as `"train[:100]"`.
    """
    images, labels = load_pixels(name, split, data_dir)
    border = (SIDE - images.shape[1]) // 2
    images = np.pad(images, [(0, 0), (border, border), (border, border), (0, 0)])
    return images.astype("float32") / 127.5 - 1, labels


def load_pixels(name, split, data_dir=None):
    """Load images (n, side, side, channels) uint8 of their own size, and labels (n,)."""
    if name not in NAMES:
        raise ValueError(f"Expected `name` to be one of {NAMES}. Received: name={name!r}")
    data = tfds.as_numpy(tfds.load(name, split=split, batch_size=-1, data_dir=data_dir))
    return data["image"], data["label"].astype("int32")


def augment(images, rng, shift, flip=False):
    """Shift each image by up to `shift` pixels in both directions, and flip it with `flip`.

    Args:
        images: (n, H, W, channels), of any dtype. Pixels from outside of an image are 0.
        rng: A `numpy.random.Generator`.
        shift: Maximum shift.
        flip: Whether to exchange left and right with probability 1/2.

    Returns:
        An array like `images`.
    """
    count, height, width, _ = images.shape
    wide = np.pad(images, [(0, 0), (shift, shift), (shift, shift), (0, 0)])
    down, right = rng.integers(2 * shift + 1, size=(2, count, 1))
    rows, columns = down + np.arange(height), right + np.arange(width)
    if flip:
        columns = np.where(rng.random((count, 1)) < 0.5, columns, columns[:, ::-1])
    samples = np.arange(count)[:, None, None]
    return wide[samples, rows[:, :, None], columns[:, None]]
