"""Checks before a training: the folders are writable, and the disks have enough free space."""

import shutil
import tempfile
from pathlib import Path

PICTURES_BYTES = 5_000_000  # an upper bound for the pictures of an example
GRAPH_BYTES = 20_000_000  # an export's signatures and warm-up requests, without its weights


def check(checkpoint, weights=0, **folders):
    """Refuse folders that are not writable, and disks that are too full, before a long training.

    Missing folders are created. A test file is written to each folder, because its permissions do
    not tell whether it is writable (root ignores them, and a file system may be mounted read-only).
    Quotas are not checked, because they cannot be queried.

    Args:
        checkpoint: Size of the run's checkpoint in bytes. A new one is written beside the old one.
            Checkpoints that `runs` already holds are counted as available space.
        weights: Size of the model's weights in bytes. An export may hold them twice.
        **folders: `runs`, the folder of the checkpoint, and optionally `pictures` and
            `saved_models`.

    Raises:
        ValueError: If a folder is not writable or its disk is too full. The error names the folder.
    """
    names_by_disk = {}
    for name, folder in folders.items():
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"x")
        except OSError as error:
            raise ValueError(
                f"Expected `{name}` to be a writable folder. "
                f"Received: {name}={str(folder)!r} ({error})"
            ) from error
        names_by_disk.setdefault(Path(folder).stat().st_dev, []).append(name)
    existing = sum(file.stat().st_size for file in Path(folders["runs"]).glob("*checkpoint.npz*"))
    needs = {
        "runs": max(2 * checkpoint - existing, 0),
        "pictures": PICTURES_BYTES,
        "saved_models": 2 * weights + GRAPH_BYTES,
    }
    for names in names_by_disk.values():  # folders on one disk share its free space
        needed = sum(needs[name] for name in names)
        free = shutil.disk_usage(folders[names[0]]).free
        if free < needed:
            paths = ", ".join(f"{name}={str(folders[name])!r}" for name in names)
            raise ValueError(
                f"Expected {format_megabytes(needed)} free for `{'`, `'.join(names)}`. "
                f"Received: {paths}, with {format_megabytes(free)} free"
            )


def format_megabytes(size):
    """Format a number of bytes in megabytes."""
    return f"{size / 1e6:,.1f} MB"
