"""Write PNG images for TensorBoard by TensorFlow, which is installed with any backend."""

from pathlib import Path
from typing import Any


class TensorBoardImages:
    """Event files with images.

    TensorFlow is imported when the first image is written.

    Args:
        directory: The folder of the event files.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._writer: Any = None

    def write(self, tag: str, png: bytes, step: int) -> None:
        """Write an image.

        Args:
            tag: The name under which TensorBoard shows the images of all steps.
            png: The content of a PNG file.
            step: The number of the step.
        """
        import tensorflow as tf

        if self._writer is None:
            self._writer = tf.summary.create_file_writer(str(self.directory))
        # The header of a PNG file has its width and height.
        width, height = (int.from_bytes(png[start : start + 4], "big") for start in (16, 20))
        image = tf.compat.v1.Summary.Image(
            encoded_image_string=png, width=width, height=height, colorspace=4
        )
        summary = tf.compat.v1.Summary(value=[tf.compat.v1.Summary.Value(tag=tag, image=image)])
        with self._writer.as_default():
            tf.summary.experimental.write_raw_pb(summary.SerializeToString(), step=step)
        self._writer.flush()

    def close(self) -> None:
        """Close the event file; a later image begins another one."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
