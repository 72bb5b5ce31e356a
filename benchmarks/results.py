"""Results as they come: a file of JSON lines, which the next run resumes from."""

import json
import os
from pathlib import Path


class Results:
    """What was measured under one stamp; lines with another one stay in the file, unread.

    Args:
        path: The file, made if it is not there.
        stamp: What has to be the same for a result to count: machine, versions, sources.
    """

    def __init__(self, path, stamp):
        self.path, self.stamp = Path(path), stamp
        self.found = {}
        self.others = 0  # results of another machine, other versions or other sources
        for line in self._lines():
            if line["stamp"] == stamp:
                self.found[line["key"]] = line["result"]
            else:
                self.others += 1

    def _lines(self):
        if not self.path.exists():
            return
        for text in self.path.read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(text)
            except json.JSONDecodeError:
                continue  # a run that was killed has left half a line

    def __contains__(self, key):
        return key in self.found

    def get(self, key):
        """The result of that key, or None."""
        return self.found.get(key)

    def add(self, key, result):
        """Keeps it, on the disk too: one write, which is whole or, killed within it, skipped."""
        self.found[key] = result
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"key": key, "stamp": self.stamp, "result": result}) + "\n"
        is_torn = self.path.exists() and self.path.read_bytes()[-1:] not in (b"", b"\n")
        with open(self.path, "ab") as file:
            file.write((b"\n" if is_torn else b"") + line.encode())
            file.flush()
            os.fsync(file.fileno())


def write(path, text):
    """Writes a file at once: whoever reads it finds the old one or the new one."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_text(text, encoding="utf-8")
    os.replace(unfinished, path)
