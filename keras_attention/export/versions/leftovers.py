"""Names of temporary directories, and removal of those that killed processes left behind."""

import os
import re
import shutil
import socket
import uuid
from pathlib import Path


def make_temporary_name() -> str:
    """Return a name for a directory that this process writes or removes.

    The name is not an integer, so a server never loads the directory.
    """
    return f".export-{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex}"


def remove_leftovers(directory: Path) -> None:
    """Remove the temporary directories of processes of this host that have ended.

    They would waste space, because each holds a copy of all weights. Directories of other hosts are
    kept, because their processes cannot be checked from this host.
    """
    pattern = re.compile(rf"\.export-{re.escape(socket.gethostname())}-([0-9]+)-[0-9a-f]{{32}}")
    for entry in directory.iterdir():
        match = pattern.fullmatch(entry.name)
        if match and not _is_running(int(match[1])):
            shutil.rmtree(entry, ignore_errors=True)


def _is_running(process: int) -> bool:
    """Return True if the process exists, or if this cannot be determined."""
    if os.name != "posix":  # Only on POSIX, signal 0 tests for a process without ending it.
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # another user's process, or not a process id
        return True
    return True
