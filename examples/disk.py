"""Checks before a training: its folders can be written, and the disks have enough free space."""

import shutil
import tempfile
from pathlib import Path

PICTURES_BYTES = 5_000_000  # an upper bound for the pictures of an example
GRAPH_BYTES = 20_000_000  # an export's signatures and warm-up requests, without its weights


def check(checkpoint, weights=0, **folders):
    """Refuse folders that cannot be written, and disks that are too full, before a long training.

    Folders that do not exist are made. Writing a file is tried in each one, because permissions are
    not conclusive (root passes them all, and a file system may be mounted read-only). Quotas are
    not checked, because they cannot be queried.

    Args:
        checkpoint: Size of the run's checkpoint in bytes. A new one is written beside the old one.
            Checkpoints that `runs` already holds are counted as available space.
        weights: Size of the model's weights in bytes. An export may hold them twice.
        **folders: `runs`, where the checkpoint is, and optionally `pictures` and `saved_models`.

    Raises:
        ValueError: Names the folder.
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
            listed = ", ".join(f"{name}={str(folders[name])!r}" for name in names)
            raise ValueError(
                f"Expected {megabytes(needed)} free for `{'`, `'.join(names)}`. "
                f"Received: {listed}, with {megabytes(free)} free"
            )


def megabytes(size):
    """Return a number of bytes as text in megabytes."""
    return f"{size / 1e6:,.1f} MB"
