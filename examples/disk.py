"""Before a training: can its folders be written, and is there room for what it will write?"""

import shutil
import tempfile
from pathlib import Path

PICTURES = 5_000_000  # bytes of an example's drawings, generously
GRAPH = 20_000_000  # of an export's signatures and warm-up requests, beside its weights


def check(checkpoint, weights=0, **folders):
    """Refuses what would be lost hours later: folders that cannot be written, disks that are full.

    Folders that are not there are made. Each is tried with a file, since permissions alone do not
    tell (root may all, and a file system may be mounted to be read only). What a quota leaves
    cannot be asked.

    Args:
        checkpoint: Bytes of the run's checkpoint. A new one is written beside the old one; what
            `runs` holds of them already is there, or will be removed.
        weights: Bytes of the model's weights, which an export may hold twice.
        **folders: `runs`, where the checkpoint is, and maybe `pictures` and `saved_models`.

    Raises:
        ValueError: By the folder's name.
    """
    disks = {}
    for name, folder in folders.items():
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"x")
        except OSError as error:
            raise ValueError(
                f"Expected `{name}` to be a folder to write in. "
                f"Received: {name}={str(folder)!r} ({error})"
            ) from error
        disks.setdefault(Path(folder).stat().st_dev, []).append(name)
    there = sum(file.stat().st_size for file in Path(folders["runs"]).glob("*checkpoint.npz*"))
    needed = {
        "runs": max(2 * checkpoint - there, 0),
        "pictures": PICTURES,
        "saved_models": 2 * weights + GRAPH,
    }
    for names in disks.values():  # folders on one disk share what is free
        wanted = sum(needed[name] for name in names)
        free = shutil.disk_usage(folders[names[0]]).free
        if free < wanted:
            of_them = ", ".join(f"{name}={str(folders[name])!r}" for name in names)
            raise ValueError(
                f"Expected {megabytes(wanted)} free for `{'`, `'.join(names)}`. "
                f"Received: {of_them}, with {megabytes(free)} free"
            )


def megabytes(size):
    """A number of bytes, to be read."""
    return f"{size / 1e6:,.1f} MB"
