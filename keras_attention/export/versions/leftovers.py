"""Temporary directories of exports, locked while they are used, and removal of abandoned ones."""

import contextlib
import os
import re
import shutil
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Without locks, as on Windows, temporary directories of others are kept.
    fcntl = None

PATTERN = re.compile(r"\.export-(.+)-[0-9]+-[0-9a-f]{32}")
LOCK = "lock"
CONTENT = "version"
MAX_UNCHANGED_SECONDS = 3600.0


@contextlib.contextmanager
def temporary_directory(directory: Path) -> Iterator[Path]:
    """Provide a path for a version that is being written or removed, and remove it at the end.

    The path is in a new directory beside a locked file. The operating system releases the lock when
    the process ends, even if it is killed. The new directory's name is not an integer, so a server
    never loads it.

    Args:
        directory: The model's directory.

    Yields:
        The path, at which nothing exists yet.
    """
    temporary, descriptor = _create_and_lock(directory)
    try:
        yield temporary / CONTENT
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if descriptor is not None:
            os.close(descriptor)


def remove_leftovers(directory: Path) -> None:
    """Remove the temporary directories that no process uses; each may hold a copy of all weights.

    A lock that a process of another host holds may not be visible here. Therefore the directories
    of other hosts (containers have names of their own), and those without a lock file, are removed
    only if nothing in them has changed for an hour.

    Args:
        directory: The model's directory.
    """
    for temporary in list_leftovers(directory):
        host = PATTERN.fullmatch(temporary.name)[1]
        is_local = host == socket.gethostname() and (temporary / LOCK).exists()
        if temporary.is_symlink():  # It may lead to a version that is stored elsewhere.
            temporary.unlink(missing_ok=True)
        elif is_local or _count_unchanged_seconds(temporary) > MAX_UNCHANGED_SECONDS:
            with contextlib.suppress(OSError):  # Another process holds the lock or removes it.
                descriptor = _lock(temporary)
                if descriptor is not None:
                    shutil.rmtree(temporary, ignore_errors=True)
                    os.close(descriptor)


def list_leftovers(directory: Path) -> list[Path]:
    """Return the temporary directories, including those of running exports."""
    return sorted(entry for entry in directory.iterdir() if PATTERN.fullmatch(entry.name))


def _create_and_lock(directory: Path) -> tuple[Path, int | None]:
    """Create a temporary directory; return it and the descriptor of its locked file, if any."""
    while True:
        name = f".export-{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex}"
        temporary = directory / name
        temporary.mkdir()
        try:
            descriptor = _lock(temporary)
        except (BlockingIOError, FileNotFoundError):
            continue  # Before the lock was held, another process began to remove the directory.
        except OSError:  # Some file systems have no locks.
            return temporary, None
        if descriptor is None or (temporary / LOCK).exists():
            return temporary, descriptor
        os.close(descriptor)  # Another process has removed the directory.


def _lock(temporary: Path) -> int | None:
    """Lock a temporary directory and return the descriptor; None on a system without locks."""
    if fcntl is None:
        return None
    # A network file system locks a file only if it is open for writing.
    descriptor = os.open(temporary / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _count_unchanged_seconds(temporary: Path) -> float:
    """Return the seconds since the last change of a directory or anything in it."""
    changes = []
    for path in (temporary, *temporary.rglob("*")):
        with contextlib.suppress(OSError):  # It was removed meanwhile.
            changes.append(path.lstat().st_mtime)
    return time.time() - max(changes, default=0.0)
