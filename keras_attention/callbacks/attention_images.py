"""Pictures of attention weights after each epoch, as files and for TensorBoard."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from keras_attention.callbacks.tensorboard_images import TensorBoardImages
from keras_attention.callbacks.weights import collect_weights
from keras_attention.paths import to_local_path
from keras_attention.types import Nest
from keras_attention.visualize import heatmap

FILE_NAME = re.compile(r"epoch_(\d+)\.png")


class AttentionImages(keras.callbacks.Callback):
    """Draws the attention weights of chosen examples after each epoch.

    There is one heatmap for each layer and epoch, `DIRECTORY/LAYER/epoch_0001.png`, with a row of
    matrices for each example and a matrix for each head. A run that continues an earlier one keeps
    its pictures: epochs are counted from `initial_epoch` of `model.fit`, which `BackupAndRestore`
    sets too, and a call of `fit` from epoch 0 counts on from the last picture in the directory.

    Args:
        inputs: The model's inputs for the examples, as for `model.predict`; a few examples.
        directory: Folder of the pictures. Missing folders are created. A picture is written to a
            temporary file and renamed, so that no picture is incomplete.
        source_tokens: For each example a list of strings, the labels of the keys, or None. If there
            are fewer than keys, the remaining keys are padding and are not drawn. Default: numbers.
        target_tokens: Like `source_tokens`, for the queries.
        layers: The layers to draw, as in `keras_attention.attention_weights`. Default: all.
            Layers whose weights are not in [0, 1] are left out.
        tensorboard_directory: Folder of the event files for TensorBoard, which shows the pictures
            under "Images", by layer and epoch. TensorFlow writes them, whatever the backend is.
            Default: none.

    Raises:
        ValueError: If a path is invalid or, at the end of the first epoch, if the tokens do not fit
            the weights, as in `keras_attention.visualize.heatmap`.
        ImportError: At the end of the first epoch, if matplotlib is not installed.

    Example:
    >>> model = keras.Sequential([
    ...     keras.Input((None,)),
    ...     keras.layers.Embedding(9, 4),
    ...     keras_attention.AttentionPooling(name="pooling")])
    >>> images = keras_attention.callbacks.AttentionImages(
    ...     np.array([[1, 7, 2]]), "runs/attention", source_tokens=[["the", "old", "man"]])
    >>> images.get_path("encoder/pooling", 12).as_posix()
    'runs/attention/encoder/pooling/epoch_0012.png'
    """

    def __init__(
        self,
        inputs: Nest,
        directory: str | os.PathLike,
        source_tokens: Sequence[Sequence[str] | None] | None = None,
        target_tokens: Sequence[Sequence[str] | None] | None = None,
        layers: Any = None,
        tensorboard_directory: str | os.PathLike | None = None,
    ) -> None:
        super().__init__()
        self.inputs = inputs
        self.directory = to_local_path("directory", directory)
        self.source_tokens = source_tokens
        self.target_tokens = target_tokens
        self.layers = layers
        self._tensorboard = None
        if tensorboard_directory is not None:
            path = to_local_path("tensorboard_directory", tensorboard_directory)
            self._tensorboard = TensorBoardImages(path)
        self._previous_epochs = None

    def get_path(self, layer: str, epoch: int) -> Path:
        """Return the path of a picture.

        Args:
            layer: The layer's path, as in `keras_attention.attention_weights`.
            epoch: The number of the epoch; the first is 1.
        """
        folders = [re.sub(r"[^\w-]", "_", name) for name in layer.split("/")]
        return self.directory.joinpath(*folders, f"epoch_{epoch:04d}.png")

    def on_train_begin(self, logs: Any = None) -> None:
        self._previous_epochs = None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if self._previous_epochs is None:
            self._previous_epochs = self._find_last_epoch() if epoch == 0 else 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        number = epoch + 1 + (self._previous_epochs or 0)
        for layer, weights in collect_weights(self.model, self.inputs, self.layers).items():
            path = self.get_path(layer, number)
            self._draw(weights, path)
            if self._tensorboard is not None:
                self._tensorboard.write(f"attention/{layer}", path.read_bytes(), number)

    def on_train_end(self, logs: Any = None) -> None:
        if self._tensorboard is not None:
            self._tensorboard.close()

    def _find_last_epoch(self):
        names = (FILE_NAME.fullmatch(path.name) for path in self.directory.rglob("epoch_*.png"))
        return max((int(name[1]) for name in names if name), default=0)

    def _draw(self, weights, path):
        """Draw the weights (examples, Tk), (examples, Tq, Tk) or (examples, heads, Tq, Tk)."""
        if weights.ndim == 2:
            weights = weights[:, None]
        examples, (queries, keys) = len(weights), weights.shape[-2:]
        matrices = weights.reshape(examples, -1, queries, keys)
        heads = matrices.shape[1]
        titles = [
            f"example {example}, head {head}" if heads > 1 else f"example {example}"
            for example in range(examples)
            for head in range(heads)
        ]
        heatmap(
            matrices.reshape(-1, queries, keys),
            self._repeat_tokens(self.source_tokens, heads),
            self._repeat_tokens(self.target_tokens, heads),
            titles,
            columns=heads if heads > 1 else None,
            path=path,
        )

    def _repeat_tokens(self, tokens, heads):
        """Return the examples' tokens for each head."""
        return None if tokens is None else [sentence for sentence in tokens for _ in range(heads)]
