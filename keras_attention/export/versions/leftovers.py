"""Directories that a process was killed at, half written or half removed; their name has its id."""

import os
import re
import shutil
import socket
import uuid


def name():
    """A name for what this process fills, or removes; no integer, so it is never served."""
    return f".export-{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex}"


def remove(directory):
    """Removes what processes of this host that are gone have left in `directory`.

    Each is a copy of all weights. Those of other hosts stay, as nobody here knows whether they are
    still being written.
    """
    ours = re.compile(rf"\.export-{re.escape(socket.gethostname())}-([0-9]+)-[0-9a-f]{{32}}")
    for entry in directory.iterdir():
        found = ours.fullmatch(entry.name)
        if found and not _is_running(int(found[1])):
            shutil.rmtree(entry, ignore_errors=True)


def _is_running(process):
    """Whether there is such a process; signal 0 asks and does nothing (on POSIX, so only there)."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # somebody else's; or no process's number
        return True
    return True
